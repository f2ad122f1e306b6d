import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...pagesIn('docs'), ...pagesIn('packages')];

function pagesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : pagesIn(path);
    return entry.name.endsWith('.md') && entry.name !== 'CHANGELOG.md' ? [path] : [];
  });
}

/** Where a heading's link leads, as forges name it. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (text: string) => [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading!));

describe.each(pages)('%s', (page) => {
  const text = readFileSync(join(root, page), 'utf8');
  const links = [...text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link]) => link!);

  it('has no dead link', () => {
    for (const link of links) {
      const [path, fragment] = link.split('#') as [string, string | undefined];
      const target = path === '' ? join(root, page) : resolve(root, dirname(page), path);
      expect(existsSync(target), link).toBe(true);
      if (fragment === undefined) continue;
      const file = target.endsWith('.md') ? target : join(target, 'README.md');
      expect(anchorsOf(readFileSync(file, 'utf8')), link).toContain(fragment);
    }
  });
});

describe('the first page', () => {
  const text = readFileSync(join(root, 'README.md'), 'utf8');

  it('can be read in one sitting', () => expect(text.split('\n').length).toBeLessThan(130));

  it('lists every package and every example', () => {
    for (const name of readdirSync(join(root, 'packages'))) expect(text).toContain(`](packages/${name})`);
    for (const name of readdirSync(join(root, 'examples'))) expect(text).toContain(`](examples/${name})`);
  });
});
