import { expect, it } from 'vitest';
import { encodeSavedModel } from './saved-model-proto.ts';

const x = { key: 'x', name: 'Placeholder_0:0', dtype: 1, shape: [2, 300] };
const model = { inputs: [x], outputs: [{ ...x, key: 'y', name: 'Neg_1:0' }], tensorflowVersion: '2.21.0' };

it('keeps the graph as it is, at the end', () => {
  const graphDef = Uint8Array.of(1, 2, 3);
  const pieces = encodeSavedModel({ ...model, graphDef });
  expect(pieces.at(-1)).toBe(graphDef);
});

it('refuses a file of 2 GiB, naming its size', () => {
  const graphDef = new Uint8Array(2 ** 31 - 100); // the rest takes more than 100
  expect(() => encodeSavedModel({ ...model, graphDef })).toThrow('the model takes 2.00 GiB');
  expect(() => encodeSavedModel({ ...model, graphDef: graphDef.subarray(1000) })).not.toThrow();
});
