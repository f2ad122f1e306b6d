import { defineConfig, type Options } from 'tsup';

/** The build that every package shares: ESM and declarations from src/index.ts; a package adds entries of its own. */
export const packageBuild = (options: Options = {}) =>
  defineConfig({
    entry: ['src/index.ts'],
    format: 'esm',
    target: 'node20',
    dts: true,
    clean: true,
    sourcemap: false,
    ...options,
  });
