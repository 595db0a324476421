/** What `compat: onnxruntime` understands: options of ONNX Runtime's own tools 1.30, those of quantize_static by their Python names. */
import { z } from 'zod'

export const Compat = z
  .literal('onnxruntime')
  .optional()
  .describe('quantize exactly as onnxruntime.quantization 1.30 does (uint8 activations, int8 weights, min/max)')

export const CompatCalibration = z
  .strictObject({
    symmetric: z.boolean().optional().describe('ranges around 0; the default of percentile'),
    percentile: z.number().min(50).max(100).optional().describe('share of the numbers that a range holds; 99.999'),
    bins: z.number().int().min(2).max(65536).optional().describe('of histograms; 2048 for percentile, 128 for entropy'),
    quantized_bins: z.number().int().min(2).max(65536).optional().describe('of entropy; 128'),
    averaging_constant: z.number().min(0).max(1).optional().describe('weight of later strides in moving_average; 0.01'),
    stride: z.number().int().positive().optional().describe('batches that are looked at together; all by default'),
  })
  .describe('with compat: options of the calibrator')
export type CompatCalibration = z.infer<typeof CompatCalibration>

/** observers that onnxruntime.quantization has too */
export const COMPAT_OBSERVERS = ['auto', 'minmax', 'moving_average', 'percentile', 'entropy']

/** smallest and largest magnitude of a float16 */
const LEAST_HALF = 5.96e-8
const LARGEST_HALF = 65504

export const Float16Compat = {
  compat: z
    .literal('onnxruntime')
    .optional()
    .describe('convert exactly as onnxruntime.transformers.float16 1.30 does, with the options below'),
  op_block_list: z
    .array(z.string().min(1).max(100))
    .max(1000)
    .optional()
    .describe('with compat: operators that stay float32; its own list by default'),
  node_block_list: z
    .array(z.string().min(1).max(1000))
    .max(10_000)
    .optional()
    .describe('with compat: names of nodes that stay float32'),
  min_positive_val: z
    .number()
    .min(LEAST_HALF)
    .max(1)
    .optional()
    .describe('with compat: smaller magnitudes of constants, 0 excepted, are raised to this'),
  max_finite_val: z
    .number()
    .positive()
    .max(LARGEST_HALF)
    .optional()
    .describe('with compat: larger magnitudes of constants, infinity excepted, are cut off to this'),
  force_fp16_initializers: z
    .boolean()
    .optional()
    .describe('with compat: convert constants too that only operators in float32 read'),
}

export const QUANT_TYPES = ['QInt8', 'QUInt8', 'QInt16', 'QUInt16', 'QInt4', 'QUInt4'] as const
const QuantType = z.enum(QUANT_TYPES)
const Names = z.array(z.string().min(1).max(1000)).max(10_000)

const SCALE_AND_ZERO_POINT = 'scale and zero_point come together, without symmetric, reduce_range, rmin and rmax'
const parameters = {
  quant_type: QuantType.optional(),
  symmetric: z.boolean().optional(),
  reduce_range: z.boolean().optional(),
  rmin: z.number().optional(),
  rmax: z.number().optional(),
  scale: z.number().positive().optional(),
  zero_point: z.number().int().optional(),
}
interface Parameters {
  symmetric?: boolean | undefined
  reduce_range?: boolean | undefined
  rmin?: number | undefined
  rmax?: number | undefined
  scale?: number | undefined
  zero_point?: number | undefined
}
function isConsistent({ scale, zero_point, symmetric, reduce_range, rmin, rmax }: Parameters): boolean {
  if ((scale === undefined) !== (zero_point === undefined)) return false
  return scale === undefined || [symmetric, reduce_range, rmin, rmax].every((given) => given === undefined)
}

export const TensorQuantOverride = z
  .strictObject({
    ...parameters,
    axis: z.number().int().optional().describe('of a constant, in the first entry: one scale per index of this axis'),
    convert: z
      .strictObject({ ...parameters, recv_nodes: Names.optional().describe('all readers by default') })
      .refine(isConsistent, SCALE_AND_ZERO_POINT)
      .optional()
      .describe('of a computed value: what some of its readers get instead'),
  })
  .refine(isConsistent, SCALE_AND_ZERO_POINT)
export type TensorQuantOverride = z.infer<typeof TensorQuantOverride>

/** TensorProto.FLOAT */
const FLOAT = 1

const ExtraOptions = z.strictObject({
  ActivationSymmetric: z.boolean().optional(),
  WeightSymmetric: z.boolean().optional().describe('by default where the type is signed'),
  ActivationRestrictedAsymmetric: z.boolean().optional().describe('uint8 zero points are 0 or 128'),
  MinimumRealRange: z.number().positive().optional().describe('smallest rmax − rmin'),
  QuantizeBias: z.boolean().optional(),
  QDQDisableWeightAdjustForInt32Bias: z.boolean().optional(),
  AddQDQPairToWeight: z.boolean().optional(),
  DedicatedQDQPair: z.boolean().optional(),
  EnableSubgraph: z.boolean().optional().describe('dynamic: branches and loops too; static: no effect, as in Python'),
  MatMulConstBOnly: z
    .boolean()
    .optional()
    .describe('products of two computed matrices stay float; true for dynamic; no effect with the format QDQ'),
  DefaultTensorType: z
    .literal(FLOAT, 'only 1, which is float32: with other types Python writes files that do not load')
    .optional()
    .describe('type of values whose type is unknown'),
  ForceQuantizeNoInputCheck: z.boolean().optional(),
  QDQKeepRemovableActivations: z.boolean().optional(),
  OpTypesToExcludeOutputQuantization: Names.optional(),
  QDQOpTypePerChannelSupportToAxis: z.record(z.string(), z.number().int()).optional(),
  UseQDQContribOps: z.boolean().optional(),
  BlockSize: z.number().int().positive().max(65536).optional().describe('weights that share a scale; QDQ only'),
  TensorQuantOverrides: z
    .record(z.string(), z.array(TensorQuantOverride).min(1).max(65536))
    .optional()
    .describe('by the name of a tensor, as in Python; QDQ only'),
  'extra.Sigmoid.nnapi': z.boolean().optional().describe('QOperator only'),
})
export type ExtraOptions = z.infer<typeof ExtraOptions>

const selection = {
  reduce_range: z.boolean().optional().describe('7-bit weights'),
  op_types_to_quantize: Names.optional().describe('all that its registry has by default'),
  nodes_to_quantize: Names.optional(),
  nodes_to_exclude: Names.optional(),
}

const QDQ_ONLY = [
  'BlockSize',
  'TensorQuantOverrides',
  'UseQDQContribOps',
  'DedicatedQDQPair',
  'AddQDQPairToWeight',
] as const
export const QuantizeStatic = z
  .strictObject({
    quant_format: z.enum(['QDQ', 'QOperator']).default('QDQ'),
    activation_type: QuantType.default('QUInt8'),
    weight_type: QuantType.default('QInt8'),
    ...selection,
    extra_options: ExtraOptions.default({}),
  })
  .superRefine(({ quant_format, extra_options }, context) => {
    if (quant_format === 'QDQ') return
    for (const name of QDQ_ONLY.filter((key) => extra_options[key] !== undefined))
      context.addIssue({ code: 'custom', path: ['extra_options', name], message: 'only together with the format QDQ' })
  })
  .describe('with compat: arguments of quantize_static, by their names in Python')
export type QuantizeStatic = z.infer<typeof QuantizeStatic>

export const QuantizeDynamic = z
  .strictObject({
    weight_type: z.enum(['QInt8', 'QUInt8']).default('QInt8'),
    ...selection,
    extra_options: ExtraOptions.pick({
      WeightSymmetric: true,
      ForceQuantizeNoInputCheck: true,
      MinimumRealRange: true,
      EnableSubgraph: true,
      MatMulConstBOnly: true,
      DefaultTensorType: true,
    }).default({}),
  })
  .describe('with compat: arguments of quantize_dynamic, by their names in Python')
export type QuantizeDynamic = z.infer<typeof QuantizeDynamic>
