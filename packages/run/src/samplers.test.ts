import { compile } from '@eflow/engine';
import { sampleEuler, sampleFewStep, sampleHeun, sampleWithRenoising, solutionNetworks, timeGrid } from '@eflow/flow';
import { type Compile, createStream, mapTree, randomNormal, splitStream, uploadStream } from '@eflow/tensor';
import { expectClose, expectNoLeak } from '@eflow/testing';
import { bindVideoDiT, initVideoDiT } from '@eflow/video-dit';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { videoDiTConfig } from './build.ts';
import { loadConfig } from './load-config.ts';
import {
  countEvaluations,
  createSample,
  defaultSampler,
  formatEvaluations,
  SAMPLERS,
  type SamplerFlags,
  type SamplerSpec,
  samplerSpec,
} from './samplers.ts';

const flowMatching = loadConfig('digits-tiny', ['objective.kind=flowMatching']).objective;
const eflow = loadConfig('digits-tiny').objective;
const ranged = loadConfig('digits-tiny', ['objective.guidanceScale={ min: 1.5, max: 4 }']).objective;
const unguided = loadConfig('digits-tiny', ['objective.guidanceScale=1']).objective;

describe('samplerSpec', () => {
  it('takes jumps where the objective learns them, and the velocity where it does not', () => {
    expect(defaultSampler(eflow)).toBe('few-step');
    expect(samplerSpec(flowMatching, 4, {})).toEqual({ sampler: 'euler', numSteps: 4, grid: { kind: 'uniform' } });
    expect(samplerSpec(flowMatching, 4, { grid: 'shifted:3', guidanceScale: 2, guidance: 'path-drop' })).toEqual({
      sampler: 'euler',
      numSteps: 4,
      grid: { kind: 'shifted', shift: 3 },
      guidance: { kind: 'path-drop', scale: 2 },
    });
  });

  it('takes the scale of a trained range that is asked for, and otherwise its default', () => {
    const guidanceOf = (flags: SamplerFlags) => samplerSpec(ranged, 4, flags).guidance;
    expect(guidanceOf({})).toEqual({ kind: 'input', scale: Math.sqrt(6) });
    expect(guidanceOf({ guidanceScale: 4 })).toEqual({ kind: 'input', scale: 4 });
    expect(guidanceOf({ sampler: 'heun', guidance: 'input', guidanceScale: 1.5 })).toEqual({
      kind: 'input',
      scale: 1.5,
    });
  });

  it.each<[string, typeof eflow, number, SamplerFlags, string]>([
    [
      'jumps of a network that has none',
      flowMatching,
      4,
      { sampler: 'few-step' },
      'knows no jumps; take euler or heun',
    ],
    [
      'guidance of jumps',
      unguided,
      4,
      { guidanceScale: 2 },
      "the sampler 'few-step' takes none, as jumps have guidance trained in; leave it out, or train a network that takes the scale as an input: objective.guidanceScale='{ min: 1, max: 4 }'",
    ],
    [
      'the scale as an input where it is none',
      flowMatching,
      4,
      { guidance: 'input', guidanceScale: 2 },
      'this network does not take the scale as an input; choose another kind of guidance, or train a network',
    ],
    ['a scale below the trained range', ranged, 4, { guidanceScale: 1 }, 'was trained on scales from 1.5 to 4'],
    [
      'a scale above the trained range, along the velocity, too',
      ranged,
      4,
      { guidanceScale: 4.5, sampler: 'heun' },
      'guidance scale 4.5: this network was trained on scales from 1.5 to 4 (objective.guidanceScale); take one of these',
    ],
    [
      'a second pass of a network that takes the scale as an input',
      ranged,
      4,
      { guidanceScale: 2, guidance: 'path-drop', sampler: 'euler' },
      'path-drop guidance is for networks without guidance, and this one has the scales 1.5 to 4 trained in',
    ],
    ['guidance twice', eflow, 4, { sampler: 'euler', guidanceScale: 2 }, 'has the scale 1.35 trained in'],
    [
      'a weak path never trained',
      { ...flowMatching, pathDropProb: 0 },
      4,
      { guidance: 'path-drop', guidanceScale: 2 },
      'pathDropProb above 0',
    ],
    [
      'no null condition',
      { ...flowMatching, classDropoutProb: 0 },
      4,
      { guidanceScale: 2 },
      'classDropoutProb above 0',
    ],
    ['a scale that is none', flowMatching, 4, { guidanceScale: Number.NaN }, 'guidance scale NaN'],
    ['zero steps', eflow, 0, {}, 'numSteps is 0'],
    ['a grid that there is not', eflow, 4, { grid: 'cosine' }, "grid 'cosine': expected uniform"],
    ['a shift that is none', eflow, 4, { grid: 'shifted:-1' }, 'shift is -1'],
  ])('refuses %s', (_case, objective, numSteps, flags, message) => {
    expect(() => samplerSpec(objective, numSteps, flags)).toThrow(message);
  });
});

describe('countEvaluations', () => {
  it.each<[number, number, typeof eflow, number, SamplerFlags]>([
    [4, 0, eflow, 4, {}],
    [4, 0, eflow, 4, { sampler: 'renoise' }],
    [50, 0, flowMatching, 50, {}],
    [100, 0, flowMatching, 50, { guidanceScale: 1.5 }],
    [50, 50, flowMatching, 50, { guidanceScale: 1.5, guidance: 'path-drop' }],
    [7, 0, flowMatching, 4, { sampler: 'heun' }],
    [4, 0, ranged, 4, {}],
    [7, 0, ranged, 4, { sampler: 'heun', guidanceScale: 2 }],
  ])('%d and %d of the weak path', (nfe, weakNfe, objective, numSteps, flags) => {
    expect(countEvaluations(objective, samplerSpec(objective, numSteps, flags))).toEqual({ nfe, weakNfe });
  });
});

it('formatEvaluations tells weak passes apart', () => {
  expect(formatEvaluations({ nfe: 4, weakNfe: 0 })).toBe('4');
  expect(formatEvaluations({ nfe: 50, weakNfe: 25 })).toBe('50 + 25 weak');
});

describe('createSample', () => {
  const config = videoDiTConfig(
    loadConfig('digits-tiny', [
      'network.hiddenSize=12',
      'network.numHeads=2',
      'network.patchSize=2,4,4',
      'network.attention.windowSize=3',
      'network.predicts=velocity',
    ]),
  );
  const params = mapTree(initVideoDiT(createStream(1), config), (leaf, name) =>
    tf.add(leaf, tf.mul(randomNormal(splitStream(createStream(2), name), leaf.shape), 0.1)),
  );
  const noise = randomNormal(createStream(3), [2, 2, 8, 8, 1]);
  const labels = tf.tensor1d([3, 1], 'int32');

  it.each([
    ['classifier-free', false],
    ['path-drop', true],
  ] as const)(
    'guides by %s guidance, with the null class, in the form and on the grid that it is told',
    (guidance, isWeak) => {
      const objective = { ...flowMatching, map: 'trigonometric' as const };
      const spec = samplerSpec(objective, 3, { sampler: 'heun', grid: 'quadratic', guidance, guidanceScale: 2 });
      const { strong, weak } = bindVideoDiT(params, config);
      const expected = sampleHeun(strong, {
        noise,
        condition: { labels },
        steps: timeGrid(3, { kind: 'quadratic' }),
        map: 'trigonometric',
        guidance: {
          scale: 2,
          nullCondition: { labels: tf.tensor1d([10, 10], 'int32') },
          ...(isWeak && { weak }),
        },
      }).data;
      const sample = createSample(config, objective, spec);
      expectClose(sample(params, noise, { labels }), expected, { rtol: 0, atol: 0 });
      expectNoLeak(() => tf.tidy(() => sample(params, noise, { labels })));
    },
  );

  it.each<[string, typeof eflow, Omit<SamplerSpec, 'numSteps'>]>([
    ['few-step', eflow, { sampler: 'few-step' }],
    ['few-step in trigonometric form', { ...eflow, map: 'trigonometric' } as typeof eflow, { sampler: 'few-step' }],
    ['renoise', eflow, { sampler: 'renoise' }],
    ['euler', flowMatching, { sampler: 'euler', grid: { kind: 'shifted', shift: 3 } }],
    ['heun', flowMatching, { sampler: 'heun' }],
    ['classifier-free guidance', flowMatching, { sampler: 'euler', guidance: { kind: 'classifier-free', scale: 2 } }],
    ['path-drop guidance', flowMatching, { sampler: 'heun', guidance: { kind: 'path-drop', scale: 2 } }],
  ])('compiled, loops over one graph, and gives what the whole does: %s', (_case, objective, part) => {
    const spec = { ...part, numSteps: 5 };
    let traced = 0;
    const counting: Compile = (fn) =>
      compile((...args: Parameters<typeof fn>) => {
        traced++;
        return fn(...args);
      });
    const sample = createSample(config, objective, spec, counting);
    const options = { stream: [createStream(4), createStream(5)] };
    const steps: number[] = [];
    const looped = sample(params, noise, { labels }, { ...options, onStep: ({ step }) => steps.push(step) });
    expect(steps).toEqual([1, 2, 3, 4, 5]);
    expect(traced).toBe(part.guidance?.kind === 'path-drop' ? 2 : 1); // the strong path, and the weak one
    const whole = compile(createSample(config, objective, spec))(
      params,
      noise,
      { labels },
      {
        stream: options.stream.map(uploadStream),
      },
    );
    expectClose(looped, whole, { rtol: 1e-5, atol: 1e-5 });
    expectNoLeak(() => sample(params, noise, { labels }, options));
  });

  it.each<[string, typeof eflow, SamplerSpec]>([
    ['few-step', eflow, { sampler: 'few-step', numSteps: 2 }],
    [
      'path-drop guidance in trigonometric form',
      { ...flowMatching, map: 'trigonometric' } as typeof eflow,
      { sampler: 'heun', numSteps: 2, guidance: { kind: 'path-drop', scale: 2 } },
    ],
  ])('makes N of predicted data, of both paths, op by op and compiled: %s', (_case, objective, spec) => {
    const map = spec.guidance ? 'trigonometric' : 'euler';
    const { strong, weak } = solutionNetworks(bindVideoDiT(params, config), 'data', map);
    const input = { noise, condition: { labels }, steps: 2, map } as const;
    const guidance = { scale: 2, nullCondition: { labels: tf.tensor1d([10, 10], 'int32') }, weak };
    const expected = spec.guidance ? sampleHeun(strong, { ...input, guidance }) : sampleFewStep(strong, input);
    const ofData = { ...config, predicts: 'data' as const };
    expectClose(createSample(ofData, objective, spec)(params, noise, { labels }), expected.data, { rtol: 0, atol: 0 });
    const compiled = createSample(ofData, objective, spec, compile)(params, noise, { labels });
    expectClose(compiled, expected.data, { rtol: 1e-5, atol: 1e-5 });
  });

  describe('of a network that takes its guidance scale as an input', () => {
    const tiny = loadConfig('digits-tiny', [
      'objective.guidanceScale={ max: 4 }',
      'network.hiddenSize=12',
      'network.numHeads=2',
      'network.patchSize=2,4,4',
      'network.attention.windowSize=3',
      'network.predicts=velocity',
    ]);
    const network = videoDiTConfig(tiny);
    const guided = mapTree(initVideoDiT(createStream(1), network), (leaf, name) =>
      tf.add(leaf, tf.mul(randomNormal(splitStream(createStream(2), name), leaf.shape), 0.1)),
    );

    it.each(SAMPLERS)('%s asks it at the scale, by default that of the config, compiled to one graph', (sampler) => {
      let traced = 0;
      const counting: Compile = (fn) =>
        compile((...args: Parameters<typeof fn>) => {
          traced++;
          return fn(...args);
        });
      const options = { stream: createStream(4) };
      const bind = bindVideoDiT(guided, network).strong;
      const at = (scale?: number) => {
        const guidance = scale === undefined ? {} : { guidance: { kind: 'input' as const, scale } };
        return createSample(network, tiny.objective, { sampler, numSteps: 3, ...guidance });
      };
      const [low, middle] = [at(1), at()].map((sample) => sample(guided, noise, { labels }, options));
      const input = { noise, condition: { labels }, steps: 3, guidance: { scale: 2 } };
      const expected = {
        'few-step': () => sampleFewStep(bind, input),
        renoise: () => sampleWithRenoising(bind, { ...input, ...options }),
        euler: () => sampleEuler(bind, input),
        heun: () => sampleHeun(bind, input),
      }[sampler]();
      expectClose(middle!, expected.data, { rtol: 0, atol: 0 });
      expect(tf.max(tf.abs(tf.sub(low!, middle!))).dataSync()[0]).toBeGreaterThan(1e-3);
      const compiled = createSample(network, tiny.objective, { sampler, numSteps: 3 }, counting);
      expectClose(compiled(guided, noise, { labels }, options), middle!, { rtol: 1e-5, atol: 1e-5 });
      expect(traced).toBe(1);
      expectNoLeak(() => compiled(guided, noise, { labels }, options));
    });

    it('has an embedder more, which the objective alone decides on', () => {
      expect(network.guidanceInput).toBe(true);
      expect(config.guidanceInput).toBe(false);
      expect(() => loadConfig('digits-tiny', ['network.guidanceInput=true'])).toThrow(
        'network.guidanceInput: unknown key',
      );
    });
  });

  it('asks the weak path with the condition where it was trained with it', () => {
    const objective = loadConfig('digits-tiny', [
      'objective.guidanceScale=1',
      'objective.weakCondition=same',
    ]).objective;
    const spec = samplerSpec(objective, 2, { sampler: 'heun', guidance: 'path-drop', guidanceScale: 2 });
    const { strong, weak } = bindVideoDiT(params, config);
    const condition = { labels };
    const guidance = { scale: 2, nullCondition: condition, weak };
    const expected = sampleHeun(strong, { noise, condition, steps: 2, guidance }).data;
    expectClose(createSample(config, objective, spec)(params, noise, { labels }), expected, { rtol: 0, atol: 0 });
  });
});
