export { expectClose, type Values } from './expect-close.ts';
export { expectGradients, type GradientCheck } from './expect-gradients.ts';
export { expectNoLeak } from './expect-no-leak.ts';
export { fixtureNumbers } from './fixture-numbers.ts';
export { runHere } from './run-here.ts';
