export { type EventImage, readEventImages, readRecords } from './event-file.ts';
export { expectClose } from './expect-close.ts';
export { expectGradients } from './expect-gradients.ts';
export { expectNoLeak } from './expect-no-leak.ts';
export { fixtureNumbers } from './fixture-numbers.ts';
export { runHere } from './run-here.ts';
export { withoutNative } from './without-native.ts';
