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

/** What went wrong and the way out, on one line. */
export function describeFailure(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/\s*\n\s*/g, ' ').replace(/[^.]$/, '$&.');
}

/** `fn()`, with a full disk and a cache folder that cannot be written reported as such. */
export async function explainDiskErrors<T>(fn: () => Promise<T>): Promise<T> {
  try {
    return await fn();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOSPC' || code === 'EDQUOT') throw diskFull();
    if (typeof code === 'string' && ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR'].includes(code)) throw notWritable(error);
    throw error;
  }
}

export const notWritable = (error: unknown) =>
  new SetUpError(
    `The cache folder cannot be written: ${error instanceof Error ? error.message : error}.`,
    'Make it writable, or set EFLOW_CACHE to a folder that is.',
  );

export const diskFull = () =>
  new SetUpError(
    'The disk that holds the cache is full.',
    'Free some space, or set EFLOW_CACHE to a folder on another disk, and run the set-up again: it resumes.',
  );
