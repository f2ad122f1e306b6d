import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ModuleKind, ScriptTarget, transpile } from 'typescript';
import { afterAll, describe, expect, it } from 'vitest';
import {
  addNote,
  appFile,
  commandLine,
  countOf,
  describeMachine,
  examples,
  formatClock,
  htmlPage,
  htmlTable,
  integer,
  list,
  markdownTable,
  median,
  namesAmong,
  number,
  positive,
  runNode,
  runningMedian,
  Stopped,
  textTable,
} from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('formatClock', () => {
  it.each([
    [0, '0:00'],
    [-3, '0:00'],
    [59.4, '0:59'],
    [59.5, '1:00'],
    [119.6, '2:00'],
    [3599.6, '1:00:00'],
    [3723, '1:02:03'],
    [Number.NaN, '?'],
    [Number.POSITIVE_INFINITY, '?'],
  ])('writes %d seconds as %s', (seconds, text) => expect(formatClock(seconds)).toBe(text));
});

describe('calls of commands', () => {
  it('are pnpm scripts in the repository', () => {
    expect(commandLine('data')).toBe('pnpm data');
    expect(examples('sample', '', 'runs/mine')).toBe('\nExamples:\n  pnpm sample\n  pnpm sample runs/mine');
  });

  it('find the file of an app', () => {
    expect(existsSync(appFile('train', 'worker'))).toBe(true);
    expect(existsSync(appFile('train'))).toBe(true);
  });

  it('are npx in a build, which has apps beside it', async () => {
    const home = mkdtempSync(join(tmpdir(), 'built-'));
    try {
      const built = join(home, 'dist/index.mjs');
      const source = readFileSync(new URL('./command-line.ts', import.meta.url), 'utf8');
      mkdirSync(dirname(built));
      writeFileSync(built, transpile(source, { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 }));
      writeFileSync(join(home, 'package.json'), '{ "version": "7.1.3" }');
      const here: typeof import('./command-line.ts') = await import(pathToFileURL(built).href);
      expect(here.packageVersion()).toBe('7.1.3');
      expect(fileURLToPath(here.appFile('train', 'worker'))).toBe(join(home, 'dist/train-worker.js'));
      expect(here.commandLine('data')).toBe('npx eflow-data');
      expect(here.commandLine('train')).toBe('npx eflow train');
      here.callThroughEflow();
      expect(here.commandLine('data')).toBe('npx eflow data');
    } finally {
      delete process.env.EFLOW_COMMAND;
      rmSync(home, { recursive: true });
    }
  });
});

it('counts with a noun', () => {
  expect([countOf(1, 'clip'), countOf(0, 'clip'), countOf(1000, 'clip')]).toEqual(['1 clip', '0 clips', '1,000 clips']);
  expect(countOf(2, 'pass', 'passes')).toBe('2 passes');
});

describe('flags', () => {
  it.each<[parse: (text: string) => number, text: string, value: number]>([
    [integer(1), '7', 7],
    [integer(0, 3), '3', 3],
    [positive, '0.5', 0.5],
    [number('a number'), '-2', -2],
  ])('%# takes a number', (parse, text, value) => expect(parse(text)).toBe(value));

  it.each<[parse: (text: string) => number, text: string, message: string]>([
    [integer(1), '0', 'expected an integer of at least 1'],
    [integer(1), '1.5', 'expected an integer of at least 1'],
    [integer(0, 3), '4', 'expected an integer from 0 to 3'],
    [positive, '0', 'expected a positive number'],
    [positive, 'Infinity', 'expected a positive number'],
    [number('a number'), ' ', 'expected a number'],
    [number('a number'), 'x', 'expected a number'],
  ])('%# refuses another', (parse, text, message) => expect(() => parse(text)).toThrow(message));

  it('takes lists, and names in an order of their own', () => {
    expect(list(integer(1))('3, 1,2')).toEqual([3, 1, 2]);
    expect(() => list(integer(1))('3,0')).toThrow('at least 1');
    expect(namesAmong(['sla', 'glga'])('glga,sla')).toEqual(['sla', 'glga']);
    expect(() => namesAmong(['sla', 'glga'])('glga,mamba')).toThrow("'mamba' is not among sla, glga");
  });
});

describe('runProgram', () => {
  /** Runs a program whose action is `code`, from this folder's sources. */
  function start(code: string) {
    const file = join(folder, `${code.length}.mts`);
    const { href } = new URL('./index.ts', import.meta.url);
    const commander = import.meta.resolve('commander');
    writeFileSync(
      file,
      `import { writeFileSync } from 'node:fs';
      import { Command } from ${JSON.stringify(commander)};
      import { runProgram } from ${JSON.stringify(href)};
      await runProgram(new Command('tool').action(async () => { ${code} }));`,
    );
    return spawn(process.execPath, ['--import', import.meta.resolve('tsx'), file]);
  }

  it('does its work to the end where its reader goes away', async () => {
    const done = join(folder, 'done');
    const child = start(
      `for (let i = 0; i < 50; i++) { console.log('x'.repeat(9999)); await new Promise((r) => setTimeout(r, 2)); }
      writeFileSync(${JSON.stringify(done)}, 'yes');`,
    );
    child.stdout.once('data', () => child.stdout.destroy());
    let errors = '';
    child.stderr.on('data', (text) => {
      errors += text;
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(readFileSync(done, 'utf8')).toBe('yes');
    expect(errors).toBe('');
  });

  it('ends with the message of an error, and code 1', async () => {
    const child = start("throw new Error('no such thing');");
    let errors = '';
    child.stderr.on('data', (text) => {
      errors += text;
    });
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(errors).toBe('\ntool: no such thing\n');
  });
});

describe('createProgress', () => {
  /** What a child without a terminal writes of updates at these seconds. */
  function show(flags: string, updates: (string | number)[][]) {
    const program = `
      import { createProgress } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
      let now = 0;
      performance.now = () => now;
      const progress = createProgress(40, 'clips', ${flags});
      for (const [seconds, ...update] of ${JSON.stringify(updates)}) {
        now = 1000 * seconds;
        progress.update(...update);
      }
      progress.end();`;
    const node = ['--import', 'tsx', '--input-type=module', '--eval', program];
    const { stdout, stderr } = spawnSync(process.execPath, node, { encoding: 'utf8' });
    expect(stdout).toBe('');
    return stderr;
  }

  it('is silent about short work, and tells of long work without a timer', () => {
    const updates = [
      [9.9, 3.5],
      [12.5, 10.5],
      [19, 20],
      [22.6, 30],
      [40, 40],
    ];
    expect(show('{}', updates)).toBe(
      '████░░░░░░░░░░░░ 26% | 10 of 40 clips | 0:13 + 0:35 to go\n' +
        '████████████░░░░ 75% | 30 of 40 clips | 0:23 + 0:08 to go\n',
    );
  });

  it('has a line that stays from the first update to the last, with the text and the time of its caller', () => {
    const line = show('{ stays: true }', [
      [0, 0, 'first calls'],
      [1, 10, 'loss 0.5'],
      [2, 20, 'loss 0.25'],
    ]);
    expect(line).toBe(
      '░░░░░░░░░░░░░░░░ 0% | 0 of 40 clips | 0:00 + ? to go | first calls\n' +
        '████████░░░░░░░░ 50% | 20 of 40 clips | 0:02 + 0:02 to go | loss 0.25\n',
    );
  });
});

describe('runNode', () => {
  const script = (code: string) => {
    const file = join(folder, 'child.mjs');
    writeFileSync(file, code);
    return pathToFileURL(file);
  };

  it('returns what a module prints, and tells both streams as they come', async () => {
    let told = '';
    const file = script('console.log(process.argv[2]); console.error("a warning");');
    const printed = await runNode(file, ['seven'], (text) => {
      told += text;
    });
    expect(printed).toBe('seven\n');
    expect(told.split('\n').sort()).toEqual(['', '', 'a warning', 'seven'].slice(1));
  });

  it('throws the line that names the command, or the last', async () => {
    await expect(runNode(script('console.error("tool: no data\\n  at a place"); process.exit(1)'), [])).rejects.toThrow(
      /^tool: no data$/,
    );
    await expect(runNode(script('process.exit(3)'), [])).rejects.toThrow('ended with 3');
    await expect(runNode(script('process.kill(process.pid, "SIGKILL")'), [])).rejects.toThrow('ended with 137');
  });

  it('throws Stopped where the child was', async () => {
    await expect(runNode(script('process.exit(130)'), [])).rejects.toThrow(Stopped);
  });
});

it('median is the mean of the two in the middle, a running one of fewer at the ends', () => {
  expect(median([7, 1, 3, 5])).toBe(4);
  expect(runningMedian([9, 1, 5, 3], 1)).toEqual([5, 5, 3, 4]);
});

it('writes tables whose columns of numbers are to the right', () => {
  const [head, rows] = [
    ['a|b', 'n'],
    [
      ['x', '10 %'],
      ['yy', '-'],
    ],
  ] as const;
  expect(markdownTable(head, rows)).toBe('| a\\|b | n |\n| --- | --: |\n| x | 10 % |\n| yy | - |');
  expect(textTable([[...head], ...rows])).toBe('a|b     n\nx    10 %\nyy      -');
});

it('makes pages of text that cannot become HTML', () => {
  const page = htmlPage('A <trial>', [htmlTable(['<b>'], [['"&"']], 'of > 1')]);
  expect(page).not.toMatch(/<trial>|<b>|"&"/);
  expect(page).toContain('<caption>of &#62; 1</caption><tr><th>&#60;b&#62;</th></tr><tr><td>&#34;&#38;&#34;</td></tr>');
  expect(addNote(page, "$' <b>")).toBe(page.replace('</h1>\n', "</h1>\n<p>$$' &#60;b&#62;</p>\n"));
});

it('knows the machine and the commit of the checkout', () => {
  const { cores, memoryBytes, node, commit } = describeMachine();
  expect(cores).toBe(availableParallelism());
  expect(memoryBytes).toBeGreaterThan(1e8);
  expect(node).toBe(process.versions.node);
  expect(commit).toMatch(/^[0-9a-f]{7,}(-dirty)?$/);
});
