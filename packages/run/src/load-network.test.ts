import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { saveCheckpoint } from '@eflow/checkpoint';
import { createStream, disposeTree } from '@eflow/tensor';
import { initVideoDiT } from '@eflow/video-dit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { videoDiTConfig } from './build.ts';
import { loadConfig } from './load-config.ts';
import { loadNetwork } from './load-network.ts';
import { createRunFolder } from './run-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'load-'));
afterAll(() => rmSync(root, { recursive: true }));
const config = loadConfig('digits-tiny', ['network.hiddenSize=12', 'network.depth=1,1,1', 'network.numHeads=2']);
const empty = join(root, 'empty');
const trained = join(root, 'trained');

beforeAll(async () => {
  createRunFolder(empty, config);
  const { checkpoints } = createRunFolder(trained, config);
  const ema = initVideoDiT(createStream(1), videoDiTConfig(config));
  for (const step of [0, 20]) await saveCheckpoint(checkpoints, { step, trees: { ema }, config });
  disposeTree(ema);
});

describe('loadNetwork', () => {
  it('loads the newest checkpoint, or the one that is named', async () => {
    expect((await loadNetwork(trained)).step).toBe(20);
    expect((await loadNetwork(trained, { checkpoint: 'step-000000' })).step).toBe(0);
  });

  it.each([
    [trained, 'step-000500', "has no checkpoint 'step-000500'; it has step-000000, step-000020"],
    [trained, '../checkpoints', "has no checkpoint '../checkpoints'"],
    [trained, '', "has no checkpoint ''"],
    [empty, 'step-000500', "has no checkpoint 'step-000500'; it has none yet: train first"],
  ])('says of %s that there is no %s, and what there is', async (run, checkpoint, message) => {
    await expect(loadNetwork(run, { checkpoint })).rejects.toThrow(message);
  });
});
