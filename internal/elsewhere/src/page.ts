import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-webgpu';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { cases } from './cases.ts';
import { backwardError, forwardError, makeReferences } from './errors.ts';

/** What one kind does on one backend: its largest relative errors, or the message of what was thrown. */
export interface Row {
  kind: string;
  backend: string;
  forward: number | string;
  backward: number | string;
}

/** Runs every kind on these backends of the browser. Throws if one of them does not start here. */
async function runCases(backends: string[]): Promise<Row[]> {
  setWasmPaths('/');
  tf.env().set('WEBGPU_CPU_FORWARD', false); // small tensors, too, are to be computed by the GPU
  const rows: Row[] = [];
  for (const tried of cases) {
    await tf.setBackend('cpu');
    const references = await makeReferences(tried);
    for (const backend of backends) {
      if (!(await tf.setBackend(backend))) {
        throw new Error(
          `tfjs' ${backend} backend does not start in this browser; set EFLOW_BROWSER to a newer Chromium`,
        );
      }
      const forward = await forwardError(tried, references).catch(String);
      const backward = await backwardError(tried, references).catch(String);
      rows.push({ kind: tried.name, backend, forward, backward });
    }
  }
  return rows;
}

// The name by which browser.ts starts it.
Object.assign(globalThis, { runCases });
