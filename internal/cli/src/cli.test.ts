import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { formatClock, integer, number, positive } from './index.ts';

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

it('createProgress is silent about short work, and tells of long work without a timer', () => {
  const program = `
    import { createProgress } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
    let now = 0;
    performance.now = () => now;
    const progress = createProgress(40, 'clips');
    for (const [seconds, done] of [[1.9, 3.5], [2.5, 10.5], [9, 20], [12.6, 30], [30, 40]]) {
      now = 1000 * seconds;
      progress.update(done);
    }
    progress.end();`;
  const node = ['--import', 'tsx', '--input-type=module', '--eval', program];
  const { stdout, stderr } = spawnSync(process.execPath, node, { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(stdout).toBe('  10 of 40 clips | 0:03 + 0:07 to go\n  30 of 40 clips | 0:13 + 0:04 to go\n');
});
