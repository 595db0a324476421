/** Static and dynamic quantization and half precision exactly as ONNX Runtime's own tools 1.30 do them: the same operators, names and numbers. */
import { convertToFloat16LikeOrt } from '../compat/float16/index.ts'
import { quantizeDynamicLikeOrt } from '../compat/operators/dynamic.ts'
import { quantizeQdqLikeOrt } from '../compat/qdq/index.ts'
import { allGraphs, type Model, type Node, sortedNodes } from '../ir/graph.ts'
import { describeNode } from '../quant/describe.ts'
import type { OrtCalibratorName } from '../quant/observers/onnxruntime/index.ts'
import type { DynamicMethod, Float16Method, StaticMethod } from '../recipe.ts'
import { compatRanges } from './compat-calibration.ts'
import type { CalibrationBatches, MethodInput, MethodOutput } from './method.ts'

const WEIGHTS = 'int8'
const ACTIVATIONS = 'uint8'

/** Calibration by min/max or as the method says, Q/DQ around every operator of the registry. */
export async function compatStatic(
  input: MethodInput,
  { per_channel, observer: wished, calibration = {} }: StaticMethod,
  batches: CalibrationBatches,
): Promise<MethodOutput> {
  const { model, quantizeDomain } = input.prepared
  const started = input.now()
  const observer = wished === 'auto' ? 'minmax' : (wished as OrtCalibratorName)
  const ranges = await compatRanges(input, batches, observer, calibration)
  const seconds = (input.now() - started) / 1000
  input.progress('quantizing', 0, 1)
  const options = {
    activationType: ACTIVATIONS,
    weightType: WEIGHTS,
    perChannel: per_channel,
    domain: quantizeDomain,
  } as const
  const excludedNodes = excludedIn(model, input)
  quantizeQdqLikeOrt(model, ranges, { ...options, excludedNodes })
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
    },
  }
}

export function compatDynamic(input: MethodInput, { per_channel }: DynamicMethod): MethodOutput {
  const { model } = input.prepared
  quantizeDynamicLikeOrt(model, {
    weightType: WEIGHTS,
    perChannel: per_channel,
    excludedNodes: excludedIn(model, input),
  })
  return {
    ...describe(input, model, 'dynamic'),
    calibration: null,
    options: { type: 'dynamic', compat: 'onnxruntime', per_channel },
  }
}

/** `input.excludes` adds to the nodes that stay float32. */
export function compatFloat16(input: MethodInput, method: Float16Method): MethodOutput {
  const { model } = input.prepared
  const excluded = new Set([...excludedIn(model, input), ...(method.node_block_list ?? [])])
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
  }
}

const isQuantized = (node: Node): boolean =>
  /Integer$|^DynamicQuantize|^QLinear/.test(node.opType) ||
  node.inputs.some((value) => value?.producer?.opType === 'DequantizeLinear')
