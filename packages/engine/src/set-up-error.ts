/** A failed set-up: one line says what is wrong, one line says the way out. */
export class SetUpError extends Error {
  constructor(
    readonly what: string,
    readonly wayOut: string,
    /** Whether the next way of getting the library may still work. */
    readonly unavailable = false,
  ) {
    super(`${what}\n${wayOut}`);
    this.name = 'SetUpError';
  }
}

/** `fn()`, with a full disk reported as such. */
export async function explainFullDisk<T>(fn: () => Promise<T>): Promise<T> {
  try {
    return await fn();
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'ENOSPC') throw error;
    throw diskFull();
  }
}

export const diskFull = () =>
  new SetUpError(
    'The disk that holds the cache is full.',
    'Free some space, or set EFLOW_CACHE to a folder on another disk, and run the set-up again: it resumes.',
  );
