/** Static and dynamic quantization and half precision exactly as ONNX Runtime's own tools 1.30 do them: the same operators, names and numbers. */

import { QuantizeDynamic, QuantizeStatic } from '../../../contract/compat.ts'
import type { DynamicMethod, Float16Method, StaticMethod } from '../../../contract/recipe.ts'
import type { Warning } from '../../../contract/report.ts'
import type { OrtCalibratorName } from '../../calibrate/observers/onnxruntime/index.ts'
import { convertToFloat16LikeOrt } from '../../compat/float16/index.ts'
import { quantizeDynamicLikeOrt } from '../../compat/operators/dynamic.ts'
import { quantizeQOperatorLikeOrt } from '../../compat/operators/qoperator.ts'
import type { CompatOptions } from '../../compat/options.ts'
import { quantizeQdqLikeOrt } from '../../compat/qdq/index.ts'
import type { CalibrationBatches } from '../../data/batches.ts'
import { allGraphs, type Model, type Node, sortedNodes } from '../../ir/graph.ts'
import { describeNode } from '../../plan/describe.ts'
import { warnOfUnderflow } from '../float16/underflow.ts'
import type { MethodInput, MethodOutput } from '../method.ts'
import { refuseBrokenWeights } from '../weight-problem.ts'
import { optionsOf } from './arguments.ts'
import { compatRanges } from './calibration.ts'
import { checkOverrides } from './overrides.ts'

/** Calibration by min/max or as the method says, and what quantize_static makes of its ranges. */
export async function compatStatic(
  input: MethodInput,
  { per_channel, observer: wished, calibration = {}, quantize_static }: StaticMethod,
  batches: CalibrationBatches,
): Promise<MethodOutput> {
  const { model, quantizeDomain } = input.prepared
  const given = QuantizeStatic.parse(quantize_static ?? {})
  const options = optionsOf(given)
  checkOverrides(model.graph, options.overrides ?? {}, options.activationType ?? 'uint8')
  refuseBrokenWeights(model.graph, input.excludes)
  const started = input.now()
  const observer = wished === 'auto' ? 'minmax' : (wished as OrtCalibratorName)
  const ranges = await compatRanges(input, batches, observer, calibration)
  const seconds = (input.now() - started) / 1000
  input.progress('quantizing', 0, 1)
  const domain = options.domain ?? quantizeDomain
  WRITERS[given.quant_format](model, ranges, {
    ...options,
    perChannel: per_channel,
    domain,
    ...selection(input, options),
  })
  return {
    ...describe(input, model, 'static'),
    calibration: {
      samples: batches.samples,
      observer,
      samples_per_second: batches.samples / Math.max(seconds, 1e-6),
      values: ranges.size,
    },
    options: {
      type: 'static',
      compat: 'onnxruntime',
      observer,
      per_channel,
      ...(Object.keys(calibration).length > 0 && { calibration }),
      ...(quantize_static && { quantize_static }),
    },
  }
}

const WRITERS = { QDQ: quantizeQdqLikeOrt, QOperator: quantizeQOperatorLikeOrt } as const

/** `input.excludes` adds to the nodes that stay float. */
const selection = (input: MethodInput, { excludedNodes = [] }: Partial<CompatOptions>) => ({
  excludedNodes: [...excludedNodes, ...excludedIn(input.prepared.model, input)],
})

export function compatDynamic(input: MethodInput, { per_channel, quantize_dynamic }: DynamicMethod): MethodOutput {
  const { model } = input.prepared
  refuseBrokenWeights(model.graph, input.excludes)
  const options = optionsOf(QuantizeDynamic.parse(quantize_dynamic ?? {}))
  quantizeDynamicLikeOrt(model, { ...options, perChannel: per_channel, ...selection(input, options) })
  return {
    ...describe(input, model, 'dynamic'),
    calibration: null,
    options: { type: 'dynamic', compat: 'onnxruntime', per_channel, ...(quantize_dynamic && { quantize_dynamic }) },
  }
}

/** `input.excludes` adds to the nodes that stay float32. */
export function compatFloat16(input: MethodInput, method: Float16Method): MethodOutput {
  const { model } = input.prepared
  const excluded = new Set([...excludedIn(model, input), ...(method.node_block_list ?? [])])
  const warnings = warnOfUnderflow(model.graph, 'The method float16 without compat keeps such weights in float32.')
  const before = new Set([...allGraphs(model.graph)].flatMap(({ nodes }) => [...nodes]))
  convertToFloat16LikeOrt(model, {
    keepIoTypes: method.keep_io_types,
    blockedNodes: [...excluded],
    ...(method.op_block_list && { blockedOperators: method.op_block_list }),
    ...(method.min_positive_val && { smallest: method.min_positive_val }),
    ...(method.max_finite_val && { largest: method.max_finite_val }),
    ...(method.force_fp16_initializers && { forceInitializers: true }),
  })
  const nodes = [...before]
  const isHalf = ({ inputs, outputs }: Node) => [...inputs, ...outputs].some((value) => value?.dtype === 'float16')
  const reason = (node: Node) =>
    isHalf(node) ? 'as onnxruntime.transformers.float16 does' : 'onnxruntime.transformers.float16 leaves it as it is'
  return {
    model,
    keepAsIs: true,
    plan: {
      target: input.target.id,
      method: 'float16',
      nodes: nodes.map((node) => describeNode(node, isHalf(node), reason(node))),
      values: [],
    },
    quantizedNodes: nodes.filter(isHalf).length,
    macsInteger: 0,
    calibration: null,
    options: { ...method },
    warnings,
  }
}

const excludedIn = ({ graph }: Model, { excludes }: MethodInput): string[] =>
  [...graph.nodes].filter((node) => excludes(node) !== null).map(({ name }) => name)

const CONVERSION = /^(Dynamic)?(Quantize|Dequantize)Linear$/

function describe({ target }: MethodInput, model: Model, method: string) {
  const nodes = [...allGraphs(model.graph)].flatMap(sortedNodes).filter(({ opType }) => !CONVERSION.test(opType))
  const quantized = new Set(nodes.filter(isQuantized))
  const reason = (node: Node) =>
    quantized.has(node) ? 'as onnxruntime.quantization does' : 'onnxruntime.quantization leaves it float'
  return {
    model,
    keepAsIs: true,
    plan: {
      target: target.id,
      method,
      nodes: nodes.map((node) => describeNode(node, quantized.has(node), reason(node))),
      values: [],
    },
    quantizedNodes: quantized.size,
    macsInteger: null,
    warnings: quantized.size === 0 ? [nothingQuantized(method)] : [],
  }
}

/** The file that onnxruntime.quantization would write, too, and say nothing. */
const nothingQuantized = (method: string): Warning => ({
  code: 'nothing_quantized',
  detail: `no node of the model was quantized, as with onnxruntime.quantization's quantize_${method}: the artifact computes what the float model does. The operators of the model, the options and what the request excludes leave nothing to quantize; the method without compat gives the reason of each node in plan.json`,
})

const isQuantized = (node: Node): boolean =>
  /Integer$|^DynamicQuantize|^QLinear|^Q(Gemm|Attention|EmbedLayerNormalization)$/.test(node.opType) ||
  node.inputs.some((value) => value?.producer?.opType === 'DequantizeLinear')
