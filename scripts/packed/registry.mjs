// A registry of npm packages on 127.0.0.1: verdaccio, which has ours and passes on everything else.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bin, run } from './run.mjs';

const START_SECONDS = 60;

/**
 * Starts the registry with its files in `folder`. Resolves to its address, an npmrc that uses it, and `stop`. Throws with its log if
 * it does not answer.
 */
export async function startRegistry(folder) {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const upstream = (await run('npm', ['config', 'get', 'registry'])).stdout.trim();
  const own = '{ access: $all, publish: $all, unpublish: $all }';
  const config = join(folder, 'config.yaml');
  writeFileSync(
    config,
    `storage: ./storage
uplinks: { upstream: { url: '${upstream}', maxage: 60m, timeout: 120s, max_fails: 20 } }
packages:
  '@eflow/*': ${own}
  eflow: ${own}
  '**': { access: $all, proxy: upstream }
max_body_size: 100mb
log: { type: stdout, format: pretty, level: warn }
`,
  );
  const child = spawn(bin('verdaccio'), ['--config', config, '--listen', `127.0.0.1:${port}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (log += text));
  const ended = new Promise((done) => child.on('exit', done));
  const address = `http://127.0.0.1:${port}/`;
  const stop = async () => {
    child.kill();
    await ended;
  };
  for (let tries = 0; ; tries++) {
    const answers = await fetch(`${address}-/ping`).then(
      (reply) => reply.ok,
      () => false,
    );
    if (answers) break;
    if (child.exitCode !== null || tries > START_SECONDS * 10) {
      await stop();
      throw new Error(`the registry on 127.0.0.1 does not answer:\n${log}`);
    }
    await sleep(100);
  }
  const npmrc = `registry=${address}\n//127.0.0.1:${port}/:_authToken=nobody\n`;
  return { address, npmrc, stop };
}

const freePort = () =>
  new Promise((done, failed) => {
    const server = createServer().on('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
