export { type GuardState, judge, MOST_IN_A_ROW, NEW_GUARD, type Outcome } from './guard.ts';
export { objectiveLoss } from './objective-loss.ts';
export { initState, type TrainState, type Weights } from './state.ts';
export {
  createTrainStep,
  type StepContext,
  type StepLosses,
  type TrainStep,
  type TrainStepOptions,
} from './train-step.ts';
