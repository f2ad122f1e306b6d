import { afterEach, expect, it } from 'vitest';
import { type Child, startChild } from './child.ts';

const children: Child[] = [];
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop()));
});

/** A Node.js process that runs `script` for each line that it is sent, in `line`. */
function start(script: string): Child {
  const program = `require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => { ${script} });`;
  const child = startChild([process.execPath, '--expose-gc', '-e', program], process.env);
  children.push(child);
  return child;
}

it('answers one request after another', async () => {
  const child = start('console.log(JSON.stringify({ version: JSON.parse(line).run }))');
  expect(await child.ask({ run: 'hello' })).toEqual({ version: 'hello' });
  expect(await child.ask({ run: 'step' })).toEqual({ version: 'step' });
});

it('throws what the child reports, and stays usable', async () => {
  const child = start(`console.log(JSON.parse(line).run === 'step' ? '{"error":"out of tokens"}' : '{}')`);
  await expect(child.ask({ run: 'step' })).rejects.toThrow('out of tokens');
  expect(await child.ask({ run: 'hello' })).toEqual({});
});

it('says how a child died, with the last that it wrote', async () => {
  await expect(start(`console.error('no such op'); process.exit(3)`).ask({ run: 'hello' })).rejects.toThrow(
    /exited with 3:\nno such op/,
  );
  await expect(start(`process.kill(process.pid, 'SIGKILL')`).ask({ run: 'hello' })).rejects.toThrow(/SIGKILL.*memory/);
});

it('says that a command does not exist', async () => {
  const child = startChild(['/nowhere/python'], process.env);
  await expect(child.ask({ run: 'hello' })).rejects.toThrow('ENOENT');
  await child.stop();
});

it('measures the peak since it was last reset', async () => {
  const megabytes = 200;
  // Answers once its memory has been given back, which V8 does when it likes.
  const child = start(`
    const held = Buffer.alloc(${megabytes}e6, 1);
    const most = held.at(-1) * process.memoryUsage.rss();
    const answer = () => {
      gc();
      if (process.memoryUsage.rss() < most - ${0.9 * megabytes}e6) console.log('{}');
      else setTimeout(answer, 5);
    };
    setTimeout(answer);`);
  const { peakBytes: before } = child.memory();
  await child.ask({ run: 'hello' });
  const { peakBytes } = child.memory();
  expect(peakBytes - before).toBeGreaterThan(0.9 * megabytes * 1e6);
  child.resetPeak();
  expect(child.memory().peakBytes).toBeLessThan(peakBytes - 0.5 * megabytes * 1e6);
});
