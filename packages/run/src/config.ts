import { attentionSchema } from '@eflow/attention';
import { datasetSchema } from '@eflow/data';
import { DEFAULT_OBJECTIVE, objectiveSchema } from '@eflow/flow';
import { PROTOCOL_PRESETS, type ProtocolName } from '@eflow/fvd';
import { ADAMW_DEFAULTS, DEFAULT_CLIP_NORM, EMA_DEFAULTS, MUON_DEFAULTS, WARMUP_DEFAULTS } from '@eflow/optim';
import { splitDepth, TOKEN_DROP_DEFAULTS, VIDEO_DIT_DEFAULTS } from '@eflow/video-dit';
import { z } from 'zod';

const PROTOCOLS = Object.keys(PROTOCOL_PRESETS) as [ProtocolName, ...ProtocolName[]];
/** What the best checkpoint may be chosen by: the lowest is the best. */
const BEST_BY = ['frechetDistance', 'kernelDistance', 'heldOutVelocityLoss'] as const;
export type BestBy = (typeof BEST_BY)[number];

const positive = z.number().positive();
const count = z.int().min(1);
const share = z.number().min(0).max(1);

const depth = z
  .union(
    [z.tuple([count, count, count]), count],
    'expected encoder, middle and decoder blocks, such as [2, 8, 2], or their sum, a multiple of 6',
  )
  .transform((blocks, context) => {
    try {
      return typeof blocks === 'number' ? splitDepth(blocks) : blocks;
    } catch (error) {
      context.addIssue((error as Error).message);
      return z.NEVER;
    }
  })
  .describe('encoder, middle and decoder blocks, or their sum, which is split 1 : 4 : 1');

const network = z.strictObject({
  patchSize: z.tuple([count, count, count]).describe('frames, rows, columns'),
  hiddenSize: count,
  depth,
  numHeads: count,
  mlpRatio: positive.default(VIDEO_DIT_DEFAULTS.mlpRatio),
  mlp: z.enum(['gelu', 'swiglu']).default(VIDEO_DIT_DEFAULTS.mlp),
  predicts: z
    .enum(['velocity', 'data'])
    .default(VIDEO_DIT_DEFAULTS.predicts)
    .describe('what the network puts out: data for patches that hold more numbers than hiddenSize'),
  attention: attentionSchema.prefault(VIDEO_DIT_DEFAULTS.attention),
  maskToken: z
    .enum(['frozen', 'trained'])
    .default(VIDEO_DIT_DEFAULTS.maskToken)
    .describe('what stands for dropped tokens'),
  checkpoint: z
    .enum(['none', 'blocks'])
    .default(VIDEO_DIT_DEFAULTS.checkpoint)
    .describe(
      "'blocks' runs every block a second time for the gradient: less memory for long clips, a third more work",
    ),
});

const text = z.strictObject({
  kind: z.literal('words').describe('a small transformer over words, trained with the network'),
  width: count.default(128).describe('of the states'),
  depth: z.int().min(0).default(2).describe('blocks'),
  numHeads: count.default(4),
  vocabulary: z
    .array(z.string())
    .optional()
    .describe('words in small letters; absent: all words that captions of the data have'),
});

/** Of every optimizer. */
const optimizerKeys = {
  learningRate: positive.default(ADAMW_DEFAULTS.learningRate),
  warmupSteps: z
    .int()
    .min(0)
    .default(WARMUP_DEFAULTS.warmupSteps)
    .describe('of the learning rate; a shorter run ends them with its last step'),
  schedule: z.enum(['constant', 'cosine']).default('constant').describe('of the learning rate after its warm-up'),
  clipNorm: positive.default(DEFAULT_CLIP_NORM),
  emaDecay: share.default(EMA_DEFAULTS.decay),
};
const betas = z.tuple([share, share]).default([...ADAMW_DEFAULTS.betas]);
const weightDecay = z.number().min(0);

const optimizer = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('adamw'),
    ...optimizerKeys,
    betas,
    weightDecay: weightDecay.default(ADAMW_DEFAULTS.weightDecay),
  }),
  z.strictObject({
    kind: z.literal('muon'),
    ...optimizerKeys,
    momentum: z.number().min(0).lt(1).default(MUON_DEFAULTS.momentum).describe("of the blocks' matrices"),
    weightDecay: weightDecay.default(MUON_DEFAULTS.weightDecay).describe("of the blocks' matrices alone"),
    betas: betas.describe("AdamW's, for all parameters that are no such matrices"),
  }),
]);

const training = z.strictObject({
  batchSize: count,
  microBatchSize: count
    .optional()
    .describe('clips whose gradient is taken at a time, of those of an update: less memory; absent: all of them'),
  steps: count.describe('updates; schedules run over these'),
  keepRatio: z
    .number()
    .gt(0)
    .max(1)
    .default(TOKEN_DROP_DEFAULTS.keepRatio)
    .describe("share of the tokens that the network's middle sees"),
  keepPattern: z
    .enum(['uniform', 'structured'])
    .default(TOKEN_DROP_DEFAULTS.pattern)
    .describe("'structured' keeps as many in each 2 x 2 x 2 neighbours as in the others"),
  denseTail: share
    .default(TOKEN_DROP_DEFAULTS.denseTail)
    .describe('share of the steps, at the end, that keep all tokens'),
  initialWeights: z
    .string()
    .min(1)
    .optional()
    .describe("safetensors file of a DiT's or SoFlow's weights by their PyTorch names, to start from; absent: drawn"),
  maxSeconds: positive.optional().describe('stops earlier if this much time has passed'),
  branches: count
    .default(1)
    .describe('parts of a batch that the graph runs side by side; a small network uses two cores with 2 and threads 1'),
  threads: count.optional().describe("TensorFlow's threads for one op; a small network is faster with 1"),
  precision: z
    .enum(['float32', 'bf16'])
    .default('float32')
    .describe('bf16: matrix products in bfloat16, where the hardware has it; weights and all else in float32'),
  checkpointEverySeconds: positive.default(600),
  keepCheckpoints: count.default(10).describe('how many of the newest checkpoints stay'),
  milestoneEvery: count.optional().describe('steps; checkpoints at multiples of it stay, too'),
  keepBest: z
    .enum(BEST_BY)
    .optional()
    .describe('the checkpoint that is lowest in this so far stays beside the newest; absent: none'),
  maxRestarts: z.int().min(0).default(3).describe('how often a run that crashes is started again'),
  spikeDeviations: positive
    .optional()
    .describe(
      'leaves an update out whose loss or gradient is so many standard deviations above the last 128; absent: never',
    ),
  previewEvery: z.int().min(0).default(500).describe('steps between preview grids; 0 for none'),
  previewClips: count.default(16),
  previewSteps: count.default(4),
});

const measurement = z.strictObject({
  every: z.int().min(0).default(0).describe('steps between measurements of the distance from real clips; 0 for none'),
  clips: z.int().min(3).default(256).describe('generated, and at most as many real ones'),
  numSteps: count.default(4).describe('of sampling'),
  i3dWeights: z.string().min(1).optional().describe('of videos: where I3D lies, as eflow-fvd --weights takes it'),
  heldOutEvery: z
    .int()
    .min(0)
    .default(0)
    .describe('steps between losses of the EMA weights on clips that training never sees; 0 for none'),
  heldOutBatches: count.default(8).describe('batches of such clips, the same each time'),
  protocol: z.enum(PROTOCOLS).default('stylegan-v').describe('of videos: how I3D is given frames'),
});

/** The kind of a section that does not name it. */
export const DEFAULT_KINDS = { data: 'movingDigits', objective: DEFAULT_OBJECTIVE.kind, optimizer: 'adamw' } as const;

/** The whole of a run, strict at every level: an unknown key is an error. */
export const runConfigSchema = z.strictObject({
  name: z.string().min(1),
  seed: z.int().min(0).max(0xffff_ffff).default(0),
  data: datasetSchema,
  network,
  text: text.optional().describe('captions, in place of classes; absent: classes'),
  objective: objectiveSchema.prefault({ kind: DEFAULT_KINDS.objective }),
  optimizer: optimizer.prefault({ kind: DEFAULT_KINDS.optimizer }),
  training,
  measurement: measurement.prefault({}),
});

export type RunConfig = z.infer<typeof runConfigSchema>;
