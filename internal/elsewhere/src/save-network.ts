import { join } from 'node:path';
import { saveTree } from '@eflow/checkpoint';
import { disposeTree } from '@eflow/tensor';
import { drawParams, type NetworkCase, type Outputs, runNetwork } from './networks.ts';

/** Writes a network's parameters into `folder`; returns what it gives on the backend that is set, to compare others with. */
export async function saveNetwork(folder: string, network: NetworkCase): Promise<Outputs> {
  const params = drawParams(network.config);
  await saveTree(join(folder, network.file), params);
  const outputs = {
    sample: await runNetwork('sample', network, params),
    dropped: await runNetwork('dropped', network, params),
    gradients: await runNetwork('gradients', network, params),
  };
  disposeTree(params);
  return outputs;
}
