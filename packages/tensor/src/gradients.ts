/**
 * Registers the gradients of TensorFlow.js' ops, which `@tensorflow/tfjs-core` alone does not: its own module for that does not load in
 * Node.js. The build bundles that module into this one; here, from sources, the whole of `@tensorflow/tfjs` does it.
 */
import '@tensorflow/tfjs-core'; // first, as the one whose engine and tensors all share
import '@tensorflow/tfjs';
