/**
 * What the engine takes of TensorFlow.js' package for Node.js: the backend, its kernels, and the writer of TensorBoard's files. The build
 * bundles them, so that nobody installs that package, whose install script downloads a TensorFlow of its own; its `@tensorflow/tfjs`
 * becomes the user's `@tensorflow/tfjs-core`.
 */
import '@tensorflow/tfjs-core'; // first, as the one whose engine and tensors all share
import '@tensorflow/tfjs-node-gpu/dist/register_all_kernels.js';

export { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';
export { summaryFileWriter } from '@tensorflow/tfjs-node-gpu/dist/tensorboard.js';
