export { type Compiled, type CompileOptions, compile, type GraphDescription } from './compile/compile.ts';
export { exportSavedModel } from './compile/export-saved-model.ts';
export { CompileError } from './compile/refusal.ts';
export type { TensorSpec } from './compile/trace.ts';
export { type MemoryReport, reportMemory } from './memory-report.ts';
export { SetUpError } from './set-up-error.ts';
export { type SetUpOptions, setUpEngine } from './setup.ts';
export { createSummaryWriter, type SummaryWriter } from './summary-writer.ts';
export { type EngineInfo, type EngineOptions, useTensorFlow } from './use-tensorflow.ts';
