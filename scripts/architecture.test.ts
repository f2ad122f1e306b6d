import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');

describe('docs/architecture.md', () => {
  it('has every package', () => {
    const told = [...page.matchAll(/^\| \d \| `packages\/([\w-]+)` \|/gm)].map(([, name]) => name);
    expect(told.sort()).toEqual(readdirSync(join(root, 'packages')).sort());
  });

  it('names internal folders and nothing that is gone', () => {
    for (const name of readdirSync(join(root, 'internal'))) expect(page).toContain(`\`${name}\``);
    const paths = [...page.matchAll(/`((?:packages|apps|internal|bench|reference|docs)\/[\w./-]*)`/g)];
    for (const [, path] of paths) expect(existsSync(join(root, path!)), path).toBe(true);
  });

  it('says where a function is', () => {
    const told = [...page.matchAll(/`(\w+)` \(`([\w./-]+\.ts)`\)/g)];
    expect(told.length).toBeGreaterThan(10);
    for (const [, name, path] of told) {
      expect(readFileSync(join(root, path!), 'utf8'), path).toMatch(
        new RegExp(`export (?:async )?(?:function|const) ${name}\\b`),
      );
    }
  });

  it('links to pages that are there', () => {
    for (const [, link] of page.matchAll(/\]\(([\w./-]+\.md)\)/g)) {
      expect(existsSync(join(dirname(join(root, 'docs/architecture.md')), link!)), link).toBe(true);
    }
  });
});
