/** What `fn` gives without native ops: of TensorFlow.js' alone. */
export function withoutNative<T>(fn: () => T): T {
  const before = process.env.EFLOW_NATIVE;
  process.env.EFLOW_NATIVE = '0';
  try {
    return fn();
  } finally {
    if (before === undefined) delete process.env.EFLOW_NATIVE;
    else process.env.EFLOW_NATIVE = before;
  }
}
