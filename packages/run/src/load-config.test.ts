import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeClips } from '@eflow/data';
import type { Clips } from '@eflow/tensor';
import { VIDEO_DIT_PRESETS } from '@eflow/video-dit';
import { afterAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { videoDiTConfig } from './build.ts';
import { loadConfig, presetNames } from './load-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'config-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Clips of one colour, of a square side. */
const clips = (count: number, numFrames: number, side: number): Clips => ({
  pixels: new Uint8Array(count * numFrames * side * side),
  shape: [count, numFrames, side, side, 1],
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('loadConfig', () => {
  it.each(presetNames())('reads the preset %s, whose filled-in form reads as the same config', (name) => {
    const shards = join(folder, `shards of ${name}`);
    writeClips(shards, clips(10, 32, 64), { labels: Array.from({ length: 10 }, (_, i) => String(i)) });
    const config = loadConfig(name, name.startsWith('videos') ? [`data.folder=${shards}`] : []);
    rmSync(shards, { recursive: true });
    expect(config.name).toBe(name);
    expect(loadConfig(file(`${name}.yaml`, stringify(config)))).toEqual(config); // the shards are needed no more
    expect(videoDiTConfig(config).numClasses).toBe(config.text ? 0 : 10);
  });

  describe('of an optimizer', () => {
    const common = { learningRate: 8e-3, warmupSteps: 20, schedule: 'cosine', clipNorm: 1, emaDecay: 0.99 };
    const adamW = { kind: 'adamw', ...common, betas: [0.9, 0.99], weightDecay: 0 };
    const muon = { kind: 'muon', ...common, momentum: 0.95, weightDecay: 0, betas: [0.9, 0.99] };

    it('takes AdamW where no kind is named, as in files of before there were kinds', () => {
      const { kind: _, ...before } = adamW;
      const saved = { ...loadConfig('digits-tiny'), optimizer: before };
      expect(loadConfig(file('before.yaml', stringify(saved))).optimizer).toEqual(adamW);
      const { optimizer: __, ...bare } = saved;
      expect(loadConfig(file('bare.yaml', stringify(bare))).optimizer.kind).toBe('adamw');
    });

    it('keeps what both kinds have, and fills in what a kind has of its own', () => {
      expect(loadConfig('digits-tiny').optimizer).toEqual(muon);
      expect(loadConfig('digits-tiny', ['optimizer.kind=adamw']).optimizer).toEqual(adamW);
      const changes = ['optimizer.momentum=0.9', 'optimizer.weightDecay=0.1'];
      const changed = { ...muon, momentum: 0.9, weightDecay: 0.1 };
      expect(loadConfig('digits-tiny', ['optimizer.kind=muon', ...changes]).optimizer).toEqual(changed);
      const based = file('muon.yaml', 'base: digits-tiny\noptimizer: { momentum: 0.9, kind: muon, weightDecay: 0.1 }');
      expect(loadConfig(based).optimizer).toEqual(changed);
      expect(loadConfig(based, ['optimizer.kind=adamw']).optimizer).toEqual({ ...adamW, weightDecay: 0.1 });
    });

    it.each([
      [
        ['optimizer.kind=adamw', 'optimizer.momentum=0.9'],
        "optimizer.momentum: unknown key; did you mean 'betas'? Known here: kind, ",
      ],
      [['optimizer.kind=muno'], "optimizer.kind: Invalid discriminator value. Expected 'adamw' | 'muon'"],
      [['optimizer.kind=muon', 'optimizer.momentum=1'], 'optimizer.momentum: Too big: expected number to be <1, got 1'],
      [['optimizer.kind=muon', 'optimizer.momentums=0'], "optimizer.momentums: unknown key; did you mean 'momentum'?"],
      [['optimizer.kind=muon', 'optimizer.weightDecay=-1'], 'optimizer.weightDecay: Too small'],
    ])('refuses %s', (overrides, message) => {
      expect(() => loadConfig('digits-tiny', overrides)).toThrow(message);
    });
  });

  describe('with a base', () => {
    it('says what differs from a preset, section by section', () => {
      const config = loadConfig(
        file(
          'mine.yaml',
          'base: digits-tiny\nname: mine\nnetwork: { depth: [1, 2, 1], attention: { kind: softmax } }\ntraining: { maxSeconds: null }',
        ),
        ['training.batchSize=8'],
      );
      const preset = loadConfig('digits-tiny');
      const { maxSeconds: _, ...training } = preset.training;
      expect(config).toEqual({
        ...preset,
        name: 'mine',
        network: { ...preset.network, depth: [1, 2, 1], attention: { kind: 'softmax' } },
        training: { ...training, batchSize: 8 },
      });
      expect(loadConfig(file('saved.yaml', stringify(config)))).toEqual(config);
    });

    it('may be a file, whose place its own base is told from, and a kind drops what it does not have', () => {
      mkdirSync(join(folder, 'below'), { recursive: true });
      file('below/fm.yaml', 'base: digits-small\nobjective: { kind: flowMatching }');
      const config = loadConfig(file('wide.yaml', 'base: ./below/fm.yaml\nnetwork: { preset: VideoDiT-S, depth: 6 }'));
      expect(config.objective).toEqual(loadConfig('digits-small', ['objective.kind=flowMatching']).objective);
      expect(config.network).toMatchObject({ hiddenSize: 384, depth: [1, 4, 1], patchSize: [1, 2, 2] });
    });

    it.each([
      ['itself', 'base: ./circle.yaml', /circle.yaml': its base is itself: .*circle.yaml -> .*circle.yaml$/],
      ['a file that has it as its base', 'base: ./back.yaml', /: its base is itself: .*circle.yaml -> .*back.yaml -> /],
      ['an unknown preset', 'base: digits-tine', /its base 'digits-tine': no such preset; presets: digits-long, /],
      [
        'a file that is not there',
        'base: ./none.yaml',
        /circle.yaml': its base '.*none.yaml': cannot be read \(ENOENT\)/,
      ],
      ['a number', 'base: 3', /base is 3; expected a preset or a .yaml file/],
      [
        'an unknown key',
        'base: digits-tiny\ntraining: { step: 3 }',
        /training.step: unknown key; did you mean 'steps'/,
      ],
      ['a value for a section', 'base: digits-tiny\ntraining: 3', /training: Invalid input: expected object/],
    ])('refuses %s', (_case, text, message) => {
      file('back.yaml', 'base: ./circle.yaml');
      expect(() => loadConfig(file('circle.yaml', text))).toThrow(message);
    });
  });

  describe('of videos', () => {
    const shards = (name: string, numFrames: number, fps: number) => {
      const path = join(folder, name);
      if (!existsSync(path)) writeClips(path, clips(2, numFrames, 32), { labels: ['falling', 'a b'], fps });
      return path;
    };

    it('takes sizes, classes and stride from the shards, and writes them out', () => {
      const { data } = loadConfig('videos-tiny', [`data.folder=${shards('thirty', 40, 30)}`]);
      const sizes = { height: 32, width: 32, numClasses: 2, numFrames: 8, frameStride: 4 };
      expect(data).toMatchObject(sizes); // 30 / 4 frames per second
    });

    it.each([
      ['8 frames at a stride of 2, where videos are too short for 4', 20, 30, [], { numFrames: 8, frameStride: 2 }],
      ['every frame of slow videos', 40, 8, [], { numFrames: 8, frameStride: 1 }],
      ['16 frames, where nothing is said', 40, 8, ['data.numFrames=null'], { numFrames: 16, frameStride: 1 }],
      ['a stride that is said', 40, 30, ['data.frameStride=3'], { numFrames: 8, frameStride: 3 }],
    ])('takes %s', (_case, frames, fps, overrides, expected) => {
      const folder = shards(`${frames} at ${fps}`, frames, fps);
      expect(loadConfig('videos-tiny', [`data.folder=${folder}`, ...overrides]).data).toMatchObject(expected);
    });

    it.each([
      ['no folder', [], /^videos-tiny: data.folder is missing: make it with eflow-data prepare/],
      ['a folder without shards', ['data.folder=nowhere'], /nowhere holds no prepared videos/],
      ['a folder that is none', ['data.folder=3'], /data.folder: Invalid input: expected string/],
    ])('refuses %s', (_case, overrides, message) => {
      expect(() => loadConfig('videos-tiny', overrides)).toThrow(message);
    });

    it('refuses patches that do not divide the frames, and says which would', () => {
      const overrides = [`data.folder=${shards('eight', 8, 8)}`, 'network.patchSize=8,5,4'];
      expect(() => loadConfig('videos-tiny', overrides)).toThrow(
        'data does not suit network.patchSize: VideoDiT: height 32 is not a multiple of its patch, 5; patches that divide it: 1, 2, 4, 8, 16, 32',
      );
    });
  });

  it('applies dotted overrides, also to lists, sections that are not in the file, and whole sections', () => {
    const config = loadConfig('digits-tiny', [
      'training.batchSize=8',
      'network.depth=1,3,1',
      'network.patchSize=[4, 4, 4]',
      'optimizer.betas=0.8,0.9',
      'objective.velocityTime.mean=0.5',
      'network.attention={ kind: softmax }',
      'network.checkpoint=blocks',
      'network.mlp=swiglu',
      'network.maskToken=trained',
      'training.keepPattern=structured',
      'name=other',
    ]);
    expect(config.training.batchSize).toBe(8);
    expect(config.network).toMatchObject({ depth: [1, 3, 1], patchSize: [4, 4, 4], attention: { kind: 'softmax' } });
    const defaults = loadConfig('digits-tiny');
    expect(videoDiTConfig(config)).toMatchObject({ checkpoint: 'blocks', mlp: 'swiglu', maskToken: 'trained' });
    expect(videoDiTConfig(defaults)).toMatchObject({ checkpoint: 'none', mlp: 'gelu', maskToken: 'frozen' });
    expect(config.training.keepPattern).toBe('structured');
    expect(defaults.training.keepPattern).toBe('uniform');
    expect(config.optimizer.betas).toEqual([0.8, 0.9]);
    expect(config.objective.velocityTime.mean).toBe(0.5);
    expect(config.name).toBe('other');
  });

  it('keeps of a section what its new kind has, drops the rest, and fills in the kind of an objective', () => {
    const config = loadConfig('digits-tiny', [
      'network.attention.kind=softmax',
      'objective.guidanceScale=4',
      'objective.kind=solutionFlow',
      'objective.map=trigonometric',
      'network.predicts=velocity',
    ]);
    expect(config.network.attention).toEqual({ kind: 'softmax' });
    expect(config.objective).toMatchObject({
      kind: 'solutionFlow',
      guidanceScale: 4,
      pathDropProb: 0.2,
      classDropoutProb: 0.1,
      map: 'trigonometric',
    });
    expect(Object.keys(config.objective)).not.toContain('additivityWeight');
    const { objective, ...rest } = loadConfig('digits-tiny');
    expect(loadConfig(file('none.yaml', stringify(rest))).objective).toMatchObject({ kind: 'eflow', guidanceScale: 3 });
    const { kind: _, ...withoutKind } = objective;
    expect(loadConfig(file('kindless.yaml', stringify({ ...rest, objective: withoutKind }))).objective).toEqual(
      objective,
    );
    const jumps = loadConfig('digits-tiny', ['objective.kind=meanFlow']).objective;
    expect(jumps).toMatchObject({ differenceStep: 0.005, jumpTime: { mean: -0.4, std: 1 } });
  });

  it.each<[string, object]>([
    ['{ kind: softmax }', { kind: 'softmax' }],
    ['{ kind: linear }', { kind: 'linear', featureMap: 'relu' }],
    [
      '{ kind: linear, featureMap: softmax, causalBlockSize: 8 }',
      { kind: 'linear', featureMap: 'softmax', causalBlockSize: 8 },
    ],
    ['{ kind: local, windowSize: 3 }', { kind: 'local', windowSize: 3 }],
    ['{ kind: local, windowSize: [0, 2, 2] }', { kind: 'local', windowSize: [0, 2, 2] }],
    [
      '{ kind: sla }',
      { kind: 'sla', blockSize: 64, topRatio: 0.05, skipRatio: 0.1, featureMap: 'softmax', variant: 'paper' },
    ],
    ['{ kind: glga, windowSize: 3 }', { kind: 'glga', windowSize: 3, featureMap: 'relu' }],
  ])('fills in the attention %s', (attention, expected) => {
    const config = loadConfig('digits-tiny', [`network.attention=${attention}`]);
    expect(config.network.attention).toEqual(expected);
    expect(videoDiTConfig(config).attention).toEqual(expected);
  });

  describe('network.preset', () => {
    const sizes = { hiddenSize: 384, numHeads: 6, depth: [2, 8, 2], mlpRatio: 4 };

    it('fills in what is not said beside it, and is not saved', () => {
      const { network, ...rest } = loadConfig('digits-tiny');
      const beside = { preset: 'VideoDiT-S', patchSize: [4, 2, 2], mlp: 'swiglu' };
      const config = loadConfig(file('preset.yaml', stringify({ ...rest, network: beside })));
      expect(config.network).toMatchObject({ ...sizes, patchSize: [4, 2, 2], mlp: 'swiglu', checkpoint: 'none' });
      expect(config.network.attention).toMatchObject(VIDEO_DIT_PRESETS['VideoDiT-S'].attention!);
      expect(config.network).not.toHaveProperty('preset');
      expect(loadConfig('digits-tiny', ['network={ preset: VideoDiT-S, patchSize: [4, 2, 2], mlp: swiglu }'])).toEqual(
        config,
      );
    });

    it('as an override replaces what was said, and later overrides win', () => {
      const config = loadConfig('digits-tiny', [
        'network.hiddenSize=24',
        'network.preset=VideoDiT-S',
        'network.depth=1,1,1',
        'network.attention.windowSize=8',
      ]);
      expect(config.network).toMatchObject({ ...sizes, depth: [1, 1, 1], attention: { windowSize: 8 } });
      expect(config.network.patchSize).toMatchObject(VIDEO_DIT_PRESETS['VideoDiT-S'].patchSize);
      expect(config.network).not.toHaveProperty('preset');
      expect(loadConfig('digits-tiny', ['network.preset=VideoDiT-S']).network).toMatchObject({
        ...sizes,
        attention: { windowSize: 64 }, // the table is as it was
      });
    });

    it.each(Object.keys(VIDEO_DIT_PRESETS))('knows %s', (name) => {
      const { channels, numClasses, ...network } = videoDiTConfig(
        loadConfig('digits-tiny', [`network.preset=${name}`]),
      );
      expect(network).toMatchObject(VIDEO_DIT_PRESETS[name as keyof typeof VIDEO_DIT_PRESETS]);
      expect([channels, numClasses]).toEqual([1, 10]);
    });

    it('is refused with the nearest name, wherever it stands', () => {
      const message = 'network.preset is "VideoDiT-M"; did you mean \'VideoDiT-';
      expect(() => loadConfig('digits-tiny', ['network.preset=VideoDiT-M'])).toThrow(message);
      const partial = file('unknown.yaml', 'network: { preset: VideoDiT-M }');
      expect(() => loadConfig(partial)).toThrow(message);
      expect(() => loadConfig('digits-tiny', ['network.preset=videodit-xl'])).toThrow("did you mean 'VideoDiT-XL'?");
      expect(() => loadConfig('digits-tiny', ['network.preset=constructor'])).toThrow(
        'network.preset is "constructor"',
      );
      expect(() => loadConfig('digits-tiny', ['network.presets=VideoDiT-S'])).toThrow(
        "network.presets: unknown key; did you mean 'preset'?",
      );
    });
  });

  it('takes out what an override sets to null, so that its default or its absence holds', () => {
    const optional = [
      ...['training.maxSeconds', 'training.initialWeights', 'training.threads', 'training.milestoneEvery'],
      ...['training.spikeDeviations', 'measurement.i3dWeights', 'network.attention.causalBlockSize'],
    ];
    const attention = 'network.attention={ kind: linear, causalBlockSize: 8 }';
    const given = optional.slice(0, -1).map((key) => `${key}=${/Weights$/.test(key) ? 'some.safetensors' : 7}`);
    const set = loadConfig('digits-tiny', [attention, ...given]);
    expect(set.training).toMatchObject({ maxSeconds: 7, milestoneEvery: 7 });
    const unset = loadConfig(file('set.yaml', stringify(set)), [
      ...optional.map((key) => `${key}=null`),
      ...['training.keepCheckpoints=3', 'training.keepCheckpoints=null', 'measurement=null'],
    ]);
    const { initialWeights, maxSeconds, milestoneEvery, spikeDeviations, ...rest } = set.training;
    const { threads, ...training } = rest;
    expect([initialWeights, maxSeconds, milestoneEvery, spikeDeviations, threads]).not.toContain(undefined);
    expect(unset.training).toEqual(training);
    expect(unset.network.attention).toEqual({ kind: 'linear', featureMap: 'relu' });
    expect(unset.measurement).toEqual(loadConfig('digits-tiny').measurement);
  });

  it('splits a depth of one number', () => {
    expect(loadConfig('digits-tiny', ['network.depth=18']).network.depth).toEqual([3, 12, 3]);
  });

  it('has JSON as a kind of YAML', () => {
    const config = loadConfig('digits-tiny');
    expect(loadConfig(file('config.json', JSON.stringify(config)))).toEqual(config);
  });

  it.each<[string, string[], string]>([
    [
      'micro batches that do not divide the batch',
      ['training.batchSize=32', 'training.microBatchSize=12'],
      'training.microBatchSize is 12: a batch of 24 velocity rows and 8 jump rows cannot be cut into parts of 12 that are alike; parts can be of 32, 16, 8, 4',
    ],
    [
      'micro batches without jump rows',
      ['training.batchSize=32', 'training.microBatchSize=2'],
      'training.microBatchSize is 2: a batch of 24 velocity rows and 8 jump rows cannot be cut into parts of 2',
    ],
    [
      'branches that do not divide a micro batch',
      ['training.batchSize=32', 'training.microBatchSize=8', 'training.branches=4'],
      'training.branches is 4: a batch of 24 velocity rows and 8 jump rows cannot be cut into parts of 2 that are alike; parts can be of 32, 16, 8, 4',
    ],
    [
      'micro batches of more than a batch',
      ['training.batchSize=32', 'objective.kind=flowMatching', 'training.microBatchSize=64'],
      'training.microBatchSize is 64: a batch of 32 velocity rows and 0 jump rows cannot',
    ],
    ['an unknown key', ['training.batchsize=8'], "training.batchsize: unknown key; did you mean 'batchSize'?"],
    ['an unknown section', ['optimiser.learningRate=1'], "optimiser: unknown key; did you mean 'optimizer'?"],
    [
      'an unknown key of a kind of attention',
      ['network.attention.windowsize=3'],
      "network.attention.windowsize: unknown key; did you mean 'windowSize'?",
    ],
    [
      'a key of another kind',
      ['network.attention={kind: softmax, windowSize: 3}'],
      'network.attention.windowSize: unknown key',
    ],
    [
      'a wrong type',
      ['training.batchSize=many'],
      'training.batchSize: Invalid input: expected number, received string, got "many"',
    ],
    ['a value out of range', ['training.keepRatio=0'], 'training.keepRatio: Too small'],
    [
      'a depth that is neither three nor one',
      ['network.depth=[1,2]'],
      'network.depth: expected encoder, middle and decoder blocks, such as [2, 8, 2], or their sum, a multiple of 6, got [1,2]',
    ],
    [
      'a depth that does not split',
      ['network.depth=10'],
      'network.depth: splitDepth: depth 10 does not split 1 : 4 : 1',
    ],
    [
      'an unknown mlp',
      ['network.mlp=relu'],
      'network.mlp: Invalid option: expected one of "gelu"|"swiglu", got "relu"',
    ],
    ['a mistyped pattern', ['training.keepPatern=structured'], "unknown key; did you mean 'keepPattern'?"],
    [
      'a key where it was before',
      ['objective.keepRatio=0.5'],
      "override 'objective.keepRatio=0.5': objective.keepRatio is training.keepRatio now; write training.keepRatio=0.5",
    ],
    [
      'a key where it was before, which another kind would drop',
      ['objective={ kind: eflow, denseTail: 0 }', 'objective.kind=meanFlow'],
      'objective.denseTail is training.denseTail now; write training.denseTail=0',
    ],
    ['a mistyped mask', ['network.masktoken=trained'], "unknown key; did you mean 'maskToken'?"],
    ['an unknown kind', ['network.attention.kind=flash'], 'network.attention'],
    [
      'an unknown objective',
      ['objective.kind=flow'],
      "objective.kind: Invalid discriminator value. Expected 'flowMatching' | 'solutionFlow' | 'eflow'",
    ],
    [
      'a key of another objective',
      ['objective.kind=flowMatching', 'objective.additivityWeight=1'],
      'objective.additivityWeight: unknown key',
    ],
    ['a scale below 1', ['objective.guidanceScale=0.5'], 'objective.guidanceScale: Too small'],
    [
      'a range from below 1',
      ['objective.guidanceScale={ min: 0.5, max: 2 }'],
      'objective.guidanceScale.min: Too small',
    ],
    [
      'a range that is none',
      ['objective.guidanceScale=[1, 4]'],
      'objective.guidanceScale: expected a number of at least 1, or a range from at least 1, such as { min: 1, max: 4, default: 2 }, got [1,4]',
    ],
    [
      'a range out of order',
      ['objective.guidanceScale={ max: 2, default: 3 }'],
      'objective.guidanceScale: expected min <= default <= max, such as { min: 1, max: 4, default: 2 }, got {"max":2,"default":3}',
    ],
    [
      'a misspelt end of a range',
      ['objective.guidanceScale={ max: 2, mn: 1 }'],
      "objective.guidanceScale.mn: unknown key; did you mean 'min'? Known here: min, max, default",
    ],
    [
      'a range of guidance by what is not trained',
      ['objective.guidanceScale={ max: 4 }', 'objective.pathDropProb=0'],
      'objective.guidanceScale is 1 to 4 and objective.pathDropProb 0',
    ],
    [
      'a patch that does not divide',
      ['network.patchSize=2,5,4'],
      'data does not suit network.patchSize: VideoDiT: height 16 is not a multiple of its patch, 5',
    ],
    ['fewer frames than a patch', ['data.numFrames=4'], 'numFrames 4 is less than a patch, 8'],
    ['heads that do not divide', ['network.numHeads=7'], 'is not a multiple of numHeads 7'],
    ['a window wider than the clip', ['network.attention.windowSize=1000'], 'network.attention.windowSize is 1000'],
    [
      'a window wider than the grid',
      ['network.attention={ kind: local, windowSize: [0, 9, 1] }', 'training.keepRatio=1'],
      'network.attention.windowSize is [0, 9, 1]; a clip has 1 x 8 x 8 tokens',
    ],
    [
      'a window of nothing',
      ['network.attention={ kind: local, windowSize: [0, 0, 0] }', 'training.keepRatio=1'],
      'network.attention.windowSize is [0, 0, 0]',
    ],
    [
      'a window on the grid of tokens that are dropped',
      ['network.attention={ kind: local, windowSize: [0, 1, 1] }', 'training.keepRatio=0.25'],
      'keepRatio is 0.25; set that to 1',
    ],
    ['a share above 1', ['network.attention={ kind: sla, topRatio: 2 }'], 'network.attention.topRatio: Too big'],
    [
      'guidance by what is not trained',
      ['objective.kind=solutionFlow', 'objective.classDropoutProb=0'],
      'nothing trains the prediction without a condition that guidance moves away from; set objective.classDropoutProb=0.1',
    ],
    [
      'full passes as a reference, without what they need',
      ['objective.guidanceReference=unconditional'],
      'objective.guidanceScale is 1.35 and objective.classDropoutProb 0',
    ],
    [
      'predicted data on a path that the map does not follow',
      ['network.predicts=data', 'objective.map=trigonometric'],
      "objective.path 'linear' and the solution map 'trigonometric', so that the network would have to put out noise; set objective.path=trigonometric, or network.predicts=velocity",
    ],
    [
      'predicted data on a path that an objective without a choice does not follow',
      ['network.predicts=data', 'objective.kind=meanFlow', 'objective.path=trigonometric'],
      'set objective.path=linear',
    ],
    [
      'a prediction that there is not',
      ['network.predicts=noise'],
      'network.predicts: Invalid option: expected one of "velocity"|"data", got "noise"',
    ],
    ['a weak path that is not trained', ['objective.pathDropProb=0'], 'nothing trains the weak path'],
    [
      'a best checkpoint by a distance that is not measured',
      ['training.keepBest=kernelDistance', 'measurement.heldOutEvery=5'],
      'training.keepBest is kernelDistance, which is not measured: measurement.every is 0; set measurement.every=500, or',
    ],
    [
      'a best checkpoint by held-out losses that are not taken',
      ['training.keepBest=heldOutVelocityLoss', 'measurement.every=5'],
      'which is not measured: measurement.heldOutEvery is 0; set measurement.heldOutEvery=500, or leave training.keepBest out',
    ],
    [
      'a best checkpoint by nothing that is known',
      ['training.keepBest=loss'],
      'training.keepBest: Invalid option: expected one of "frechetDistance"|"kernelDistance"|"heldOutVelocityLoss"',
    ],
    [
      'losses on a part that is not held out',
      [
        'data={ kind: videos, folder: shards, height: 16, width: 16, numFrames: 8, frameStride: 1, numClasses: 2 }',
        'measurement.heldOutEvery=5',
      ],
      'measurement.heldOutEvery is set, and no clips are held out; set data.heldOut=0.05',
    ],
    [
      'a share that leaves nothing',
      [
        'data={ kind: videos, folder: shards, height: 16, width: 16, numFrames: 8, frameStride: 1, numClasses: 2 }',
        'data.heldOut=1',
      ],
      'data.heldOut: expected a share between 0 and 1, such as 0.05, or the file of a list of paths',
    ],
    ['a batch that cannot be split', ['training.batchSize=1'], 'a batch of 1'],
    ['to take out a key that there is not', ['training.maxSecond=null'], "did you mean 'maxSeconds'?"],
    ['to take out a key that there must be', ['training.steps=null'], 'training.steps: Invalid input: expected number'],
    ['nothing for null', ['training.maxSeconds='], 'training.maxSeconds: Invalid input: expected number'],
    ['no key', ['training'], "override 'training': expected key=value"],
    ['a path through a value', ['name.a=1'], "'name' is a value, not a section"],
    ['no prototype pollution', ['__proto__.polluted=1'], '__proto__: unknown key'],
  ])('refuses %s', (_case, overrides, message) => {
    expect(() => loadConfig('digits-tiny', overrides)).toThrow(message);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('tells the network what it predicts, and lets the data be predicted on the path of either map', () => {
    const predicts = (...overrides: string[]) => videoDiTConfig(loadConfig('digits-tiny', overrides)).predicts;
    expect(predicts('network.predicts=velocity')).toBe('velocity');
    expect(predicts()).toBe('data');
    expect(predicts('objective.kind=meanFlow')).toBe('data');
    expect(predicts('objective.map=trigonometric', 'objective.path=trigonometric')).toBe('data');
  });

  describe('of a config from before', () => {
    const before = fileURLToPath(new URL('../fixtures/objective-keeps-tokens.yaml', import.meta.url));

    it('predicts the velocity', () => expect(loadConfig(before).network.predicts).toBe('velocity'));

    it('reads the keys that have moved', () => {
      const config = loadConfig(before);
      expect(config.training).toMatchObject({ keepRatio: 0.5, keepPattern: 'structured', denseTail: 0.1 });
      expect(Object.keys(config.objective)).not.toContain('keepRatio');
      const now = file('now.yaml', stringify(config));
      expect(loadConfig(now)).toEqual(config);
      expect(loadConfig(before, ['training.keepRatio=0.25']).training.keepRatio).toBe(0.25);
      expect(loadConfig(before, ['objective.kind=eflow']).training.keepRatio).toBe(0.5);
    });

    it('refuses a key in both places', () => {
      const { training, ...rest } = parse(readFileSync(before, 'utf8')) as { training: object };
      const both = file('both.yaml', stringify({ ...rest, training: { ...training, keepRatio: 0.5 } }));
      expect(() => loadConfig(both)).toThrow(
        'objective.keepRatio is training.keepRatio now, and both are given; take objective.keepRatio out',
      );
    });
  });

  it('lists all problems at once', () => {
    expect(() => loadConfig('digits-tiny', ['seed=-1', 'training.steps=0'])).toThrow(
      /2 problems\n {2}seed: .*\n {2}training.steps: /,
    );
  });

  it('names presets and unreadable or malformed files', () => {
    expect(() => loadConfig('digits-tny')).toThrow("config 'digits-tny': no such preset; presets: ");
    expect(() => loadConfig('./missing.yaml')).toThrow('cannot be read (ENOENT)');
    expect(() => loadConfig(file('bad.yaml', 'a: [1'))).toThrow('not valid YAML');
    expect(() => loadConfig(file('list.yaml', '- 1'))).toThrow('expected keys and values');
  });

  it('does not take a value for a key of the defaults', () => {
    const plain = parse(stringify(loadConfig('digits-tiny'))) as Record<string, unknown>;
    delete plain.training;
    expect(() => loadConfig(file('partial.yaml', stringify(plain)))).toThrow('training: ');
  });
});
