/** The contract between those who ask for a quantization and the engine: names, options, the recipe. */
import { z } from 'zod'
import {
  COMPAT_OBSERVERS,
  Compat,
  CompatCalibration,
  Float16Compat,
  QuantizeDynamic,
  QuantizeStatic,
} from './compat.ts'
import { Goals } from './goals.ts'
import { ImageSpec } from './images.ts'
import { isPattern } from './pattern.ts'
import { IntegerProfile } from './target-profile.ts'
import { TextSpec } from './text.ts'

export const METHOD_NAMES = ['static', 'dynamic', 'weight_only', 'float16', 'qat', 'auto'] as const
export const LOSS_NAMES = ['distillation', 'cross_entropy', 'blend'] as const
export const OPTIMIZER_NAMES = ['sgd', 'adamw'] as const
export const OBSERVER_NAMES = ['minmax', 'moving_average', 'percentile', 'entropy', 'mse', 'kmeans'] as const
export const TARGET_NAMES = [
  'cpu-int8',
  'cpu-int8-avx2',
  'cpu-int4',
  'gpu-float16',
  'coreml-float16',
  'gpu-tensorrt-int8',
  'edge-npu',
  'npu-qnn-htp',
  'npu-vitis-ai',
  'npu-ethos-u',
  'npu-openvino',
  'web-wasm',
  'web-webgpu',
  'mobile-tflite',
] as const
export const METRIC_NAMES = [
  'top1',
  'top5',
  'f1',
  'matthews',
  'pearson',
  'spearman',
  'nearest_neighbor',
  'perplexity',
  'cer',
  'wer',
  'miou',
  'psnr',
  'agreement',
  'cosine',
  'mse',
] as const

export const FORMAT_NAMES = ['onnx', 'tflite'] as const

export type MethodName = (typeof METHOD_NAMES)[number]
export type ObserverName = (typeof OBSERVER_NAMES)[number]
export type TargetName = (typeof TARGET_NAMES)[number]
export type FormatName = (typeof FORMAT_NAMES)[number]
export type MetricName = (typeof METRIC_NAMES)[number]

/** How long to train, and how fast. */
const Pace = z.strictObject({
  epochs: z.number().positive().max(10_000).optional().describe('passes over the data; not together with steps'),
  steps: z.number().int().positive().max(10_000_000).optional().describe('updates; not together with epochs'),
  batch_size: z.union([z.literal('auto'), z.number().int().positive().max(4096)]).default('auto'),
  learning_rate: z
    .union([z.literal('auto'), z.number().positive().max(10)])
    .default('auto')
    .describe('its peak'),
})

export const StaticMethod = z
  .strictObject({
    type: z.literal('static'),
    observer: z
      .enum(['auto', ...OBSERVER_NAMES])
      .default('auto')
      .describe('how a range is read from calibration data'),
    per_channel: z.boolean().default(true).describe('one weight scale per output channel instead of one per tensor'),
    bias_correction: z
      .union([z.literal('auto'), z.boolean()])
      .default('auto')
      .describe('take the mean error of rounded weights out of the biases; auto keeps it where it helps'),
    equalize: z
      .union([z.literal('auto'), z.boolean()])
      .default('auto')
      .describe(
        'cross-layer equalization: even out the weight ranges of layers that follow each other; auto tries it where weights have one scale per tensor and keeps it where it helps',
      ),
    smooth: z
      .union([z.literal('auto'), z.boolean(), z.number().min(0).max(1)])
      .default('auto')
      .describe(
        'SmoothQuant: move outlying channels of activations into the weights behind them; a number is its strength alpha, true takes 0.5, auto keeps the best where it helps',
      ),
    adaround: z
      .union([z.literal('auto'), z.boolean()])
      .default(false)
      .describe(
        'AdaRound: learn layer by layer whether weights round up or down, on the calibration data; auto does it where the outputs are poor and keeps it where it helps',
      ),
    refine: z
      .union([z.boolean(), Pace])
      .default(false)
      .describe(
        'block-wise reconstruction: weights and scales of each block are trained on the calibration data, without labels, to give what the block gives in the float model; minutes, kept where it helps',
      ),
    skip_slow_layers: z
      .boolean()
      .default(true)
      .describe(
        'for processors: layers that integers make slower, measured where the job runs, stay float where the whole artifact is faster for it; false quantizes them all the same, for the size',
      ),
    activation_bits: z
      .union([z.literal(8), z.literal(16)])
      .default(8)
      .describe('16 where the target has wide activations'),
    min_sqnr_db: z
      .number()
      .positive()
      .max(100)
      .optional()
      .describe(
        'mixed precision: the values that lose most stay float until the outputs reach this SQNR or nothing helps any more',
      ),
    compat: Compat,
    calibration: CompatCalibration.optional(),
    quantize_static: QuantizeStatic.optional(),
  })
  .superRefine(({ compat, calibration, quantize_static, observer }, context) => {
    const refuse = (name: string, message: string) => context.addIssue({ code: 'custom', path: [name], message })
    if (calibration && !compat) refuse('calibration', 'only together with compat')
    if (quantize_static && !compat) refuse('quantize_static', 'only together with compat')
    if (compat && !COMPAT_OBSERVERS.includes(observer)) refuse('observer', `not together with compat: ${observer}`)
  })
export type StaticMethod = z.infer<typeof StaticMethod>
export const DynamicMethod = z
  .strictObject({
    type: z.literal('dynamic'),
    per_channel: z.boolean().default(true).describe('one weight scale per output channel instead of one per tensor'),
    compat: Compat,
    quantize_dynamic: QuantizeDynamic.optional(),
  })
  .refine(({ compat, quantize_dynamic }) => compat || !quantize_dynamic, {
    path: ['quantize_dynamic'],
    error: 'only together with compat',
  })
export type DynamicMethod = z.infer<typeof DynamicMethod>
export const Float16Method = z
  .strictObject({
    type: z.literal('float16'),
    keep_io_types: z
      .union([z.boolean(), z.array(z.string().min(1).max(1000)).max(1000)])
      .default(true)
      .describe('keep float32 inputs and outputs and convert inside; with compat also a list of names'),
    ...Float16Compat,
  })
  .superRefine((method, context) => {
    if (method.compat) return
    for (const name of onlyWithCompat(method))
      context.addIssue({ code: 'custom', path: [name], message: 'only together with compat' })
  })
export type Float16Method = z.infer<typeof Float16Method>

const onlyWithCompat = (method: { keep_io_types: unknown }): string[] => [
  ...Object.keys(Float16Compat).filter((name) => (method as Record<string, unknown>)[name] !== undefined),
  ...(Array.isArray(method.keep_io_types) ? ['keep_io_types'] : []),
]
export const WeightOnlyMethod = z
  .strictObject({
    type: z.literal('weight_only'),
    bits: z.union([z.literal(2), z.literal(4), z.literal(8)]).default(4),
    block_size: z
      .union([z.literal(16), z.literal(32), z.literal(64), z.literal(128), z.literal(256)])
      .default(32)
      .describe('weights that share a scale'),
    symmetric: z.boolean().default(true).describe('without a zero point per block'),
    embeddings: z.boolean().default(true).describe('quantize constant tables that rows are picked from too'),
    format: z
      .enum(['operators', 'qdq'])
      .default('operators')
      .describe(
        'operators: MatMulNBits and GatherBlockQuantized of ONNX Runtime; qdq: DequantizeLinear of the standard operator set 21 before each product, 4 or 8 bits, embeddings stay',
      ),
    activations: z
      .enum(['float32', 'float16'])
      .default('float32')
      .describe(
        'float16: scales, activations and what else is float32 are half precision, as the method float16 makes it',
      ),
    keep_io_types: z.boolean().default(true).describe('with activations in float16: keep float32 inputs and outputs'),
    search: z
      .union([z.literal('auto'), z.boolean()])
      .default('auto')
      .describe(
        'look for the scale with the smallest squared error; auto lets calibration data decide, false rounds to nearest',
      ),
  })
  .refine(({ bits, format }) => bits !== 2 || format === 'operators', {
    path: ['bits'],
    error: 'DequantizeLinear has no integers of 2 bits: use 4 or 8, or the format operators',
  })
export type WeightOnlyMethod = z.infer<typeof WeightOnlyMethod>
/** How a quantized model is trained; how much, and on what, is said by `Training`. */
export const QatMethod = z.strictObject({
  type: z.literal('qat'),
  observer: z
    .enum(['auto', ...OBSERVER_NAMES])
    .default('auto')
    .describe('ranges of the post-training quantization that training starts from'),
  per_channel: z.boolean().default(true).describe('one weight scale per output channel instead of one per tensor'),
  loss: z
    .enum(['auto', ...LOSS_NAMES])
    .default('auto')
    .describe(
      'distillation: learn the outputs of the float model, no labels needed; cross_entropy: learn the labels; blend: both; auto: blend where the training data has labels',
    ),
  temperature: z.number().positive().max(100).default(2).describe('softens both distributions of a distillation'),
  label_weight: z.number().min(0).max(1).default(0.5).describe('share of cross-entropy in a blend'),
  optimizer: z.enum(['auto', ...OPTIMIZER_NAMES]).default('auto'),
  schedule: z.enum(['cosine', 'constant']).default('cosine').describe('of the learning rate'),
  warmup: z.number().min(0).max(1).default(0.05).describe('share of the steps in which the learning rate rises'),
  weight_decay: z.number().min(0).max(1).default(0),
  max_gradient_norm: z.number().positive().default(1).describe('gradients longer than this are shortened to it'),
  learn_scales: z.boolean().default(true).describe('learned step size: scales are trained like weights'),
  freeze_observers: z
    .number()
    .min(0)
    .max(1)
    .default(0.33)
    .describe('share of the steps after which ranges no longer follow the data'),
})
export type QatMethod = z.infer<typeof QatMethod>
/** Which of the others, and how, is found out on the model itself. */
export const AutoMethod = z.strictObject({
  type: z.literal('auto'),
  train: z
    .boolean()
    .default(true)
    .describe('whether training is the last rung, where there is data for it; it takes the most time by far'),
})
export type AutoMethod = z.infer<typeof AutoMethod>
export const Method = z
  .discriminatedUnion('type', [StaticMethod, DynamicMethod, WeightOnlyMethod, Float16Method, QatMethod, AutoMethod])
  .describe('how the numbers are reduced')
export type Method = z.infer<typeof Method>

/** A pattern that is anchored at both ends and matched against a node's name. */
const NodePattern = z
  .string()
  .min(1)
  .max(200)
  .refine(isPattern, 'not a regular expression in the syntax of RE2, which has no look-around and no back references')

export const Exclude = z.strictObject({
  nodes: z
    .array(NodePattern)
    .max(100)
    .default([])
    .describe('regular expressions in the syntax of RE2; a node whose whole name matches stays float'),
  op_types: z.array(z.string().min(1).max(100)).max(100).default([]).describe('operators that stay float'),
})

/** How much quantization-aware training, and its pace. */
export const Training = Pace.extend({
  samples: z
    .number()
    .int()
    .positive()
    .optional()
    .describe('so many, drawn over the whole data set; all of them by default'),
})
export type Training = z.infer<typeof Training>

/** `{"x": [1, 3, 224, 224]}` */
export const InputShapes = z
  .record(z.string(), z.array(z.number().int().positive()).max(16))
  .describe('fixed shapes of inputs, for targets that compile; a free first dimension becomes 1 on its own')

const isOwnName = ({ id }: { id: string }) => !(TARGET_NAMES as readonly string[]).includes(id)

/** `{"sr": 16000}` */
const InputValue = z.union([z.number(), z.boolean(), z.array(z.union([z.number(), z.boolean()])).max(65_536)])
export type InputValue = z.infer<typeof InputValue>
export const InputValues = z
  .record(z.string(), InputValue)
  .describe(
    'inputs that always have this value: branches that it decides are decided, what it computes is computed; the input stays and is no longer read',
  )

export const WordSeparator = z
  .number()
  .int()
  .nonnegative()
  .describe('for the metric wer: the class that stands between words')

export const TargetName = z.enum(TARGET_NAMES).describe('a built-in target')
/** As GET /v1/targets/{id} answers, under a name of the user's own. */
export const TargetProfile = IntegerProfile.refine(isOwnName, {
  error: 'this is the name of a built-in target: choose another',
  path: ['id'],
}).describe('a hardware profile of your own: everything but `id`, `activation` and `weight` has a default')

/** A hardware target by name, or a profile in the form in which the built-in ones are published. */
export const Target = z
  .union([TargetName, TargetProfile], { error: targetProblem })
  .describe('a built-in target, or a profile of your own in the form of GET /v1/targets/{id}')
export type Target = z.infer<typeof Target>

export const Format = z
  .enum(FORMAT_NAMES)
  .describe('what the artifact is: an ONNX model, or a .tflite for the targets that list it in `formats`')

export const TfliteOptions = z
  .strictObject({
    io: z
      .enum(['int8', 'float32'])
      .optional()
      .describe('what goes in and comes out; by default int8 where the target computes nothing in float, else float32'),
    images: z
      .enum(['nhwc', 'nchw'])
      .default('nhwc')
      .describe('how pictures lie at the border: channels last as in TensorFlow, or as in ONNX for one TRANSPOSE'),
  })
  .describe('with the format tflite')
export type TfliteOptions = z.infer<typeof TfliteOptions>

export const Recipe = z.strictObject({
  target: Target,
  method: Method,
  exclude: Exclude.default({ nodes: [], op_types: [] }),
  input_shapes: InputShapes.optional(),
  input_values: InputValues.optional(),
  format: Format.default('onnx'),
  tflite: TfliteOptions.optional(),
  calibration: z.strictObject({ samples: z.number().int().positive() }).optional(),
  training: Training.optional(),
  evaluation: z
    .strictObject({
      metric: z.enum(METRIC_NAMES),
      word_separator: WordSeparator.optional(),
      samples: z.number().int().positive().optional(),
    })
    .optional(),
  goals: Goals.optional().describe('what the method auto climbs for'),
  seed: z.number().int().nonnegative().default(0),
})
export type Recipe = z.infer<typeof Recipe>

/** `{"arrays": {"x": {"scale": 0.0039}}}`: stored integers become the model's float type times `scale`. */
export const DatasetSpec = z.strictObject({
  arrays: z
    .record(z.string(), z.strictObject({ scale: z.number().positive().default(1), offset: z.number().default(0) }))
    .default({}),
  images: ImageSpec.optional(),
  text: TextSpec.optional(),
  labels: z
    .enum(['classes', 'figures'])
    .optional()
    .describe(
      'what the array `labels` holds: integers that are classes (the default), or figures and pictures, floats too, for the metrics pearson, spearman and psnr',
    ),
})
export type DatasetSpec = z.infer<typeof DatasetSpec>

/** What is wrong with a target, in the words of the alternative that was meant. */
function targetProblem({ input, errors }: { input?: unknown; errors?: unknown }): string {
  if (typeof input !== 'object') return `not a target: ${TARGET_NAMES.join(', ')}, or a profile`
  const profile = (errors as { path: PropertyKey[]; message: string }[][] | undefined)?.at(-1) ?? []
  return profile.map(({ path, message }) => `${['profile', ...path].join('.')}: ${message}`).join('; ')
}
