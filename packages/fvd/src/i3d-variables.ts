import type { StateDict } from '@eflow/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { listUnits } from './i3d.ts';

type Numbers = NonNullable<ReturnType<StateDict['get']>>['data'];

/** Where DeepMind's TensorFlow code has the convolutions of a block. */
const BRANCHES: Readonly<Record<string, string>> = {
  b0: 'Branch_0/Conv3d_0a_1x1',
  b1a: 'Branch_1/Conv3d_0a_1x1',
  b1b: 'Branch_1/Conv3d_0b_3x3',
  b2a: 'Branch_2/Conv3d_0a_1x1',
  b2b: 'Branch_2/Conv3d_0b_3x3',
  b3b: 'Branch_3/Conv3d_0b_1x1',
};

/** `Mixed_3b.b1a` -> `RGB/inception_i3d/Mixed_3b/Branch_1/Conv3d_0a_1x1`. */
function scopeOf(unit: string): string {
  const [block, branch] = unit.split('.') as [string, string?];
  const path = branch ? `${block}/${BRANCHES[branch]}` : unit === 'logits' ? 'Logits/Conv3d_0c_1x1' : unit;
  // A slip in the published names, in this one block.
  return `RGB/inception_i3d/${unit === 'Mixed_5b.b2b' ? 'Mixed_5b/Branch_2/Conv3d_0a_3x3' : path}`;
}

/** Parts of a unit's variables; Sonnet's batch norm has no scale unless it is asked for one. */
const partsOf = (unit: string) =>
  unit === 'logits'
    ? { 'conv_3d/b': 'conv3d.bias' }
    : {
        'batch_norm/beta': 'bn.bias',
        'batch_norm/moving_mean': 'bn.running_mean',
        'batch_norm/moving_variance': 'bn.running_var',
      };

/**
 * Names of the float32 variables that `i3dStateOfVariables` takes: those of DeepMind's TensorFlow I3D for RGB frames
 * (kinetics-i3d, and the module `i3d-kinetics-400` that FVD was published with).
 */
export const listI3DVariables = (): string[] =>
  listUnits().flatMap(({ name }) =>
    ['conv_3d/w', ...Object.keys(partsOf(name))].map((part) => `${scopeOf(name)}/${part}`),
  );

/**
 * DeepMind's variables, as `readVariables` of @eflow/engine gives them, by the PyTorch names that `i3dParams` takes, with weights
 * [kF, kH, kW, in, out] -> [out, in, kF, kH, kW]. Throws, naming it, if one is missing.
 */
export function i3dStateOfVariables(variables: StateDict): StateDict {
  const read = (name: string) => {
    const found = variables.get(name);
    if (found) return found;
    throw new Error(`i3dStateOfVariables: there is no '${name}' among ${variables.size} variables`);
  };
  const state = new Map<string, { shape: number[]; data: Numbers }>();
  for (const { name } of listUnits()) {
    const { shape, data } = read(`${scopeOf(name)}/conv_3d/w`);
    const weight = tf.tidy(() => tf.transpose(tf.tensor(data as Float32Array, [...shape]), [4, 3, 0, 1, 2]));
    state.set(`${name}.conv3d.weight`, { shape: weight.shape, data: weight.dataSync<'float32'>() as Float32Array });
    weight.dispose();
    for (const [part, torch] of Object.entries(partsOf(name))) {
      const { data: values } = read(`${scopeOf(name)}/${part}`); // [1, 1, 1, 1, out]
      state.set(`${name}.${torch}`, { shape: [values.length], data: values });
    }
    const size = weight.shape[0]!;
    if (name !== 'logits') state.set(`${name}.bn.weight`, { shape: [size], data: new Float32Array(size).fill(1) });
  }
  return state;
}
