// Runs in a real browser, on tfjs' wasm and WebGPU backends: every kind of attention against the float64 oracle, and
// whole networks, sampling from a checkpoint that it fetches, against TensorFlow. Exits with 1 if one disagrees. Without
// a GPU the browser computes WebGPU in software.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '@eflow/cli';
import { useTensorFlow } from '@eflow/engine';
import { Command } from 'commander';
import { chromium } from 'playwright-core';
import { TOLERANCE } from './errors.ts';
import { findBrowser } from './find-browser.ts';
import { networks } from './networks.ts';
import type { Row } from './page.ts';
import { saveNetwork } from './save-network.ts';
import { servePage } from './serve-page.ts';

/**
 * WebGPU need not compute cos and sin closer than to 2^-11, and Chromium's software does not. In a network that leaves
 * 1e-5 to 1e-4 in what the embedded times are part of, and more in their gradients.
 */
const WEBGPU_GRADIENT_TOLERANCE = 1e-2;

const ADAPTER = 'navigator.gpu?.requestAdapter().then((adapter) => adapter && adapter.info.architecture)';

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'eflow-networks-'));
  try {
    const executablePath = findBrowser(process.env);
    await useTensorFlow();
    for (const network of networks) {
      writeFileSync(join(folder, `${network.file}.json`), JSON.stringify(await saveNetwork(folder, network)));
    }
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--enable-unsafe-webgpu'] });
    try {
      const server = await servePage(folder);
      const page = await browser.newPage();
      page.on('pageerror', (error) => console.error(error));
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      console.log(`Chromium ${browser.version()}, WebGPU adapter: ${await page.evaluate(ADAPTER)}`);
      report('attention', 'its oracle', await page.evaluate<Row[]>("runCases(['wasm', 'webgpu'])"));
      report('network', 'TensorFlow', await page.evaluate<Row[]>("runNetworks(['wasm', 'webgpu'])"));
    } finally {
      await browser.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** One line for each case and backend, the largest relative errors in it. */
function report(title: string, reference: string, rows: Row[]): void {
  const line = (name: string, backend: string, cells: string[]) =>
    console.log(name.padEnd(40) + [backend, ...cells].map((cell) => cell.padEnd(12)).join(''));
  const format = (error: number | string) => (typeof error === 'number' ? error.toExponential(1) : error);
  const time = (ms: number | undefined) => (ms === undefined ? [] : [`${ms.toFixed(0)} ms`]);
  line(title, 'backend', [...Object.keys(rows[0]!.errors), ...(rows[0]!.sampleMs === undefined ? [] : ['a sample'])]);
  for (const row of rows) {
    line(row.name, row.backend, [...Object.values(row.errors).map(format), ...time(row.sampleMs)]);
  }
  const wrong = rows.filter(({ backend, errors }) =>
    Object.entries(errors).some(([measure, error]) => !(Number(error) < toleranceOf(backend, measure))),
  );
  console.log(wrong.length ? `${wrong.length} disagree with ${reference}\n` : `All agree with ${reference}.\n`);
  if (wrong.length) process.exitCode = 1;
}

function toleranceOf(backend: string, measure: string): number {
  return backend === 'webgpu' && measure === 'gradients' ? WEBGPU_GRADIENT_TOLERANCE : TOLERANCE;
}

const program = new Command('test:browser')
  .description(
    'Every attention and whole networks in Chromium, on wasm and WebGPU, against the float64 oracle and TensorFlow.',
  )
  .action(main);
await runProgram(program);
