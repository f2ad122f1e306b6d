export { appFile, type Ended, endOf, runNode, Stopped, startNode } from './child.ts';
export { formatClock } from './clock.ts';
export { integer, list, namesAmong, number, positive } from './flags.ts';
export { describeMachine, type Machine } from './machine.ts';
export { formatNumber, mean, median, percent, runningMedian } from './numbers.ts';
export { escapeHtml, htmlPage, htmlPicture, htmlTable } from './page.ts';
export { createProgress, type Progress } from './progress.ts';
export { ignoreClosedPipe, runProgram } from './run-program.ts';
export { markdownTable, type Table, tableOf, textTable } from './table.ts';
