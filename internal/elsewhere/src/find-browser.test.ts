import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findBrowser } from './find-browser.ts';

describe('findBrowser', () => {
  const folder = mkdtempSync(join(tmpdir(), 'eflow-browsers-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const program = (name: string, mode = 0o755) => {
    const file = join(folder, name);
    writeFileSync(file, '');
    chmodSync(file, mode);
    return file;
  };

  it('takes the one that EFLOW_BROWSER names, else Chromium wherever it is on the PATH', () => {
    const chrome = program('google-chrome');
    const PATH = [join(folder, 'none'), folder].join(delimiter);
    expect(findBrowser({ PATH })).toBe(chrome);
    const chromium = program('chromium');
    expect(findBrowser({ PATH })).toBe(chromium);
    expect(findBrowser({ PATH, EFLOW_BROWSER: chrome })).toBe(chrome);
  });

  it('says what to do if there is none, or if the named one is no program', () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    expect(() => findBrowser({ PATH: empty })).toThrow(
      'none of chromium, chromium-browser, google-chrome is on the PATH',
    );
    expect(() => findBrowser({})).toThrow('set EFLOW_BROWSER');
    const EFLOW_BROWSER = program('text', 0o644);
    expect(() => findBrowser({ EFLOW_BROWSER })).toThrow(`EFLOW_BROWSER is ${EFLOW_BROWSER}, which cannot be executed`);
  });
});
