import { useTensorFlow } from './packages/engine/src/index.ts';

// Every test runs on TensorFlow's own runtime, unless it sets another backend itself.
await useTensorFlow();
