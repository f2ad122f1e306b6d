import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { afterAll, describe, expect, it } from 'vitest';
import { findBrowser } from '../internal/elsewhere/src/find-browser.ts';

const examples = fileURLToPath(new URL('../examples/', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'examples-'));
afterAll(() => rmSync(work, { recursive: true }));

/** Runs a file of an example from sources, in a folder that takes what it writes. */
function start(file: string, ...args: string[]): SpawnSyncReturns<string> {
  const flags = ['--import', import.meta.resolve('tsx'), '--conditions=@eflow/source'];
  const result = spawnSync(process.execPath, [...flags, join(examples, file), ...args], {
    cwd: work,
    encoding: 'utf8',
  });
  expect(result.status, result.stderr).toBe(0);
  return result;
}

const written = (name: string) => readFileSync(join(work, name));

/** Expects that the losses an example prints fall from the first to the last. */
function expectLossFalls({ stdout }: SpawnSyncReturns<string>): void {
  const losses = [...stdout.matchAll(/loss ([\d.]+)/g)].map(([, loss]) => Number(loss));
  expect(losses.length).toBeGreaterThan(1);
  expect(losses.at(-1)).toBeLessThan(losses[0]!);
}

describe.each(readdirSync(examples))('examples/%s', (name) => {
  const read = (file: string) => readFileSync(join(examples, name, file), 'utf8');

  it('is a folder that npm starts, with a README and a main.ts that is soon read', () => {
    expect(JSON.parse(read('package.json')).scripts.start).toMatch(/^tsx /);
    expect(read('README.md')).toContain('npm start');
    expect(read('main.ts').trimEnd().split('\n').length).toBeLessThan(60);
  });
});

describe('what an example promises', () => {
  it('attention-alone: the loss falls below 0.1', () => {
    const result = start('attention-alone/main.ts');
    expectLossFalls(result);
    expect(result.stdout).toMatch(/step 200: loss 0\.0/);
  });

  it('train-tiny: the loss falls, and two pictures are written', () => {
    expectLossFalls(start('train-tiny/main.ts'));
    expect(written('sample.webp').subarray(8, 12).toString()).toBe('WEBP');
    expect(written('sample.png').subarray(1, 4).toString()).toBe('PNG');
  });

  it('train-compiled and sample-in-node: the loss falls, and the one samples from the weights of the other', () => {
    expectLossFalls(start('train-compiled/main.ts', '40'));
    rmSync(join(work, 'sample.webp'));
    expect(start('sample-in-node/main.ts', 'ema.safetensors').stdout).toContain('10 clips in 4 passes from ema.saf');
    expect(written('sample.webp').subarray(8, 12).toString()).toBe('WEBP');
  });

  it('own-videos and measure-fvd: they end with a sample and a distance', () => {
    expect(start('own-videos/main.ts').stdout).toMatch(/Look at .*samples-4-steps: /);
    expect(start('measure-fvd/main.ts').stdout).toMatch(/\d/);
  });

  const browser = tryFindBrowser();
  it(`sample-in-browser: ${browser ? 'its page samples in Chromium' : 'its page is built; no Chromium is here to open it'}`, async () => {
    start('sample-in-browser/build.ts');
    const dist = join(examples, 'sample-in-browser/dist');
    expect(existsSync(join(dist, 'ema.safetensors'))).toBe(true);
    expect(readFileSync(join(dist, 'main.js'), 'utf8')).not.toContain('node:fs');
    if (!browser) return;
    const chrome = await chromium.launch({ executablePath: browser, args: ['--no-sandbox'] });
    try {
      const page = await chrome.newPage();
      await page.route('http://127.0.0.1/**', (route) =>
        route.fulfill({ path: join(dist, new URL(route.request().url()).pathname.replace(/\/$/, '/index.html')) }),
      );
      await page.goto('http://127.0.0.1/');
      await page.getByText('10 clips in 4 passes on').waitFor({ timeout: 300_000 });
      const size = await page.evaluate("(({ width, height }) => [width, height])(document.querySelector('canvas'))");
      expect(size).toEqual([160, 16]);
    } finally {
      await chrome.close();
    }
  });
});

function tryFindBrowser(): string | undefined {
  try {
    return findBrowser(process.env);
  } catch {
    return undefined;
  }
}
