export { formatClock } from './clock.ts';
export { integer, number, positive } from './flags.ts';
export { ignoreClosedPipe, runProgram } from './run-program.ts';
