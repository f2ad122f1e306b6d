/**
 * The residuals that objectives have, in the order in which figures and logs show them. A loss reports the plain mean square of
 * each that it has under its name.
 */
export const LOSS_TERMS = [
  { name: 'velocityLoss', short: 'fm', label: 'Flow matching' },
  { name: 'solutionLoss', short: 'sol', label: 'Solution map' },
  { name: 'additivityLoss', short: 'mva', label: 'Mean-velocity additivity' },
  { name: 'meanVelocityLoss', short: 'mean', label: 'MeanFlow identity' },
] as const satisfies readonly {
  /** In logs, tables and results. */
  name: `${string}Loss`;
  /** Where there is little room. */
  short: string;
  /** Over charts. */
  label: string;
}[];

export type LossTerm = (typeof LOSS_TERMS)[number]['name'];
