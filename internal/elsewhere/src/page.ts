import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-webgpu';
import { parseTree } from '@eflow/checkpoint/bytes';
import { createStream, disposeTree } from '@eflow/tensor';
import { initVideoDiT, type VideoDiTParams } from '@eflow/video-dit';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { cases } from './cases.ts';
import { backwardError, forwardError, makeReferences, read } from './errors.ts';
import { clips, MEASURES, measures, type NetworkCase, networkError, networks, type Outputs } from './networks.ts';

/** What one case does on one backend: its largest relative errors, or the message of what was thrown. */
export interface Row {
  name: string;
  backend: string;
  errors: Record<string, number | string>;
  /** What a network takes for the larger clips, when it has made such clips before. */
  sampleMs?: number;
}

/** Runs every kind of attention on these backends of the browser. Throws if one of them does not start here. */
async function runCases(backends: string[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const tried of cases) {
    await tf.setBackend('cpu');
    const references = await makeReferences(tried);
    for (const backend of backends) {
      await startBackend(backend);
      const forward = await forwardError(tried, references).catch(String);
      const backward = await backwardError(tried, references).catch(String);
      rows.push({ name: tried.name, backend, errors: { forward, backward } });
    }
  }
  return rows;
}

/** The same for every network, from the parameters and beside the outputs that the server has of it. */
async function runNetworks(backends: string[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const network of networks) {
    const bytes = await (await fetch(`/${network.file}`)).arrayBuffer();
    const expected = (await (await fetch(`/${network.file}.json`)).json()) as Outputs;
    for (const backend of backends) {
      await startBackend(backend);
      const template = initVideoDiT(createStream(0), network.config);
      const params = parseTree(bytes, template);
      const errors: Row['errors'] = {};
      for (const measure of MEASURES) {
        errors[measure] = await networkError(measure, network, params, expected).catch(String);
      }
      const sampleMs = await timeSample(network, params);
      disposeTree([template, params]);
      rows.push({ name: network.name, backend, errors, sampleMs });
    }
  }
  return rows;
}

async function startBackend(name: string): Promise<void> {
  setWasmPaths('/');
  tf.env().set('WEBGPU_CPU_FORWARD', false); // small tensors, too, are to be computed by the GPU
  if (await tf.setBackend(name)) return;
  throw new Error(`tfjs' ${name} backend does not start in this browser; set EFLOW_BROWSER to a newer Chromium`);
}

async function timeSample({ config }: NetworkCase, params: VideoDiTParams): Promise<number> {
  const start = performance.now();
  await read(() => measures.sample(params, config, clips[1]));
  return performance.now() - start;
}

// The names by which browser.ts starts them.
Object.assign(globalThis, { runCases, runNetworks });
