// Runs every kind of attention in a real browser, on tfjs' wasm and WebGPU backends, against the float64 oracle, and
// exits with 1 if one disagrees. Without a GPU the browser computes WebGPU in software.
import type { AddressInfo } from 'node:net';
import { chromium } from 'playwright-core';
import { TOLERANCE } from './errors.ts';
import { findBrowser } from './find-browser.ts';
import type { Row } from './page.ts';
import { servePage } from './serve-page.ts';

const ADAPTER = 'navigator.gpu?.requestAdapter().then((adapter) => adapter && adapter.info.architecture)';

try {
  const executablePath = findBrowser(process.env);
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--enable-unsafe-webgpu'] });
  try {
    const server = await servePage();
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(error));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    console.log(`Chromium ${browser.version()}, WebGPU adapter: ${await page.evaluate(ADAPTER)}`);
    report(await page.evaluate<Row[]>("runCases(['wasm', 'webgpu'])"));
  } finally {
    await browser.close();
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

/** One line for each kind and backend, the largest relative errors in it. */
function report(rows: Row[]): void {
  const format = (error: number | string) => (typeof error === 'number' ? error.toExponential(1) : error);
  const line = (cells: string[]) => cells.map((cell) => cell.padEnd(22)).join('');
  console.log(line(['kind', 'backend', 'forward', 'backward']));
  for (const row of rows) console.log(line([row.kind, row.backend, format(row.forward), format(row.backward)]));
  const agrees = (error: number | string) => typeof error === 'number' && error < TOLERANCE;
  const wrong = rows.filter((row) => !agrees(row.forward) || !agrees(row.backward));
  console.log(wrong.length ? `${wrong.length} disagree with the oracle` : `All within ${TOLERANCE} of the oracle.`);
  if (wrong.length) process.exitCode = 1;
}
