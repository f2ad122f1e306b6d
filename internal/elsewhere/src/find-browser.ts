import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** The browser that EFLOW_BROWSER names, else the first of Chromium's names on the PATH. Throws if there is none. */
export function findBrowser({ EFLOW_BROWSER, PATH = '' }: NodeJS.ProcessEnv): string {
  const onPath = NAMES.flatMap((name) => PATH.split(delimiter).map((folder) => join(folder, name)));
  const found = (EFLOW_BROWSER ? [EFLOW_BROWSER] : onPath).find(isExecutable);
  if (found) return found;
  const problem = EFLOW_BROWSER
    ? `EFLOW_BROWSER is ${EFLOW_BROWSER}, which cannot be executed`
    : `none of ${NAMES.join(', ')} is on the PATH`;
  throw new Error(
    `No browser: ${problem}. Install Chromium (Debian: apt install chromium), or set EFLOW_BROWSER to one's path.`,
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
