/** FFmpeg, an optional package. Throws with the way to install it. */
export async function loadFFmpeg() {
  // Its Node 22 function, without which it would give no frame and no error on Node 20.
  (Promise as { withResolvers?: unknown }).withResolvers ??= () => {
    let [resolve, reject]: [unknown, unknown] = [undefined, undefined];
    const promise = new Promise((...both) => {
      [resolve, reject] = both;
    });
    return { promise, resolve, reject };
  };
  try {
    const [lib, constants] = await Promise.all([import('node-av/lib'), import('node-av/constants')]);
    lib.Log.setLevel(constants.AV_LOG_FATAL);
    return { ...lib, ...constants };
  } catch (cause) {
    throw new Error(
      'reading video files needs an optional package: npm install node-av@6.1.1, whose binary is a GPL build of FFmpeg; prepared shards need none',
      { cause },
    );
  }
}

export type FFmpeg = Awaited<ReturnType<typeof loadFFmpeg>>;

/** Whether video files can be read here. Throws with the way to make that so. */
export const requireFFmpeg = async (): Promise<void> => void (await loadFFmpeg());
