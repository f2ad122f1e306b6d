import { defineConfig } from 'vitest/config';

const source = ['@eflow/source'];

export default defineConfig({
  resolve: { conditions: [...source, 'module', 'node', 'development|production'] },
  ssr: { resolve: { conditions: [...source, 'module', 'node', 'development|production'] } },
  test: {
    include: [
      'packages/*/src/**/*.test.ts',
      'apps/*/src/**/*.test.ts',
      'internal/*/src/**/*.test.ts',
      'bench/src/**/*.test.ts',
      'scripts/**/*.test.ts',
    ],
    exclude: ['**/node_modules/**', '**/dist/**', '**/*.slow.test.ts', '**/*.gpu.test.ts'],
    setupFiles: ['./vitest.setup.ts'],
    pool: 'forks',
    maxWorkers: 4, // also on two cores: many tests wait for processes of their own
    // Only a hang takes so long, however busy the machine is.
    testTimeout: 1_200_000,
    hookTimeout: 1_200_000,
  },
});
