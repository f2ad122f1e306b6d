export { type GuardState, judge, MOST_IN_A_ROW, NEW_GUARD, type Outcome } from './guard.ts';
export { type ObjectiveLosses, objectiveLoss } from './objective-loss.ts';
export { currentParams, disposeState, emaParams, initState, type TrainState, type Weights } from './state.ts';
export {
  createTrainStep,
  type StepContext,
  type StepLosses,
  TRAIN_STEP_DEFAULTS,
  type TrainStep,
  type TrainStepOptions,
} from './train-step.ts';
export { createVideoDiTStep, type VideoBatch, type VideoDiTStepOptions } from './video-dit-step.ts';
