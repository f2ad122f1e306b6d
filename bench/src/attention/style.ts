import type { Kind } from './workload.ts';

/** Okabe and Ito's colours, which the colour-blind tell apart. */
export const KIND_COLORS: Readonly<Record<Kind, string>> = {
  softmax: '#d55e00',
  linear: '#0072b2',
  local: '#009e73',
  sla: '#cc79a7',
  glga: '#000000',
};

/** For people. */
export const KIND_NAMES: Readonly<Record<Kind, string>> = {
  softmax: 'softmax',
  linear: 'linear',
  local: 'local',
  sla: 'SLA',
  glga: 'GLGA',
};
