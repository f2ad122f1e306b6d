import { expect } from 'vitest';
import { useTensorFlow } from './packages/engine/src/index.ts';

/** Folders whose tests compute nothing by TensorFlow, which takes a second to load. */
const WITHOUT = ['packages/data/', 'packages/eflow/', 'packages/media/', 'internal/cli/', 'internal/figures/'];

// Every other test runs on TensorFlow's own runtime, unless it sets another backend itself.
const { testPath = '' } = expect.getState();
if (!WITHOUT.some((folder) => testPath.startsWith(`${import.meta.dirname}/${folder}`))) await useTensorFlow();
