export { formatClock } from './clock.ts';
export { integer, number, positive } from './flags.ts';
export { createProgress, type Progress } from './progress.ts';
export { ignoreClosedPipe, runProgram } from './run-program.ts';
