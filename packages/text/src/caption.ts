/** Characters that a caption may have. */
const MAX_LENGTH = 1000;

/** Throws, naming `where`, unless a text says something that an encoder can read: not empty, of at most 1,000 characters, none of them a control character. */
export function checkCaption(where: string, caption: string): void {
  const shown = JSON.stringify(caption.length > 40 ? `${caption.slice(0, 40)}...` : caption);
  if (caption.trim() === '') throw new Error(`${where} is empty; say what the clip is to show`);
  if (caption.length > MAX_LENGTH) {
    throw new Error(`${where} has ${caption.length} characters, ${shown}; expected at most ${MAX_LENGTH}: shorten it`);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const control = /[\0-\x08\x0e-\x1f\x7f]/.exec(caption)?.[0];
  if (control === undefined) return;
  const code = control.charCodeAt(0).toString(16).padStart(4, '0');
  throw new Error(`${where} holds the control character U+${code.toUpperCase()}, ${shown}; leave it out`);
}
