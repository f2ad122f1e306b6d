import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digitsClassifierWeights } from '@eflow/fvd';
import { afterAll, describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'train-classifier-'));
afterAll(() => rmSync(root, { recursive: true }));

function trainClassifier(...args: string[]) {
  const node = ['--import', 'tsx', '--conditions=@eflow/source', main, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, node, { encoding: 'utf8' });
  return { status, stdout, stderr };
}

describe('train-classifier as a command', () => {
  it('leaves a file that is there alone, the shipped weights too, and says how to replace it', () => {
    const file = join(root, 'mine.safetensors');
    writeFileSync(file, 'mine');
    const shipped = readFileSync(digitsClassifierWeights);
    for (const args of [['--out', file], []]) {
      const { status, stderr } = trainClassifier(...args);
      expect(status).toBe(1);
      expect(stderr).toContain('exists: replace it with --force');
    }
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect(readFileSync(digitsClassifierWeights).equals(shipped)).toBe(true);
  });

  it('trains, measures, and writes nothing that is not good enough', () => {
    const file = join(root, 'short.safetensors');
    const { status, stdout, stderr } = trainClassifier('--steps', '51', '--batch-size', '2', '--out', file);
    expect(stdout).toMatch(/51 steps of 2 clips.*On 10000 held-out clips: accuracy 0\.\d{4}/s);
    expect(stderr).toMatch(/51 of 51 steps.*is below 0\.97, so nothing was written/s);
    expect(status).toBe(1);
    expect(existsSync(file)).toBe(false);
  });

  it('refuses options that cannot be meant', () => {
    expect(trainClassifier('--steps', '50').stderr).toContain('expected an integer of at least 51');
    expect(trainClassifier('--learning-rate', '3').stderr).toContain('expected a number between 0 and 1');
    expect(trainClassifier('--epochs', '3').stderr).toContain("unknown option '--epochs'");
  });
});
