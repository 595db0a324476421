/** Reads a model's structure: signature, operators, parameters, precision. */
import { refuseBorders } from '../engine/ir/borders.ts'
import type { DType } from '../engine/ir/dtype.ts'
import { allGraphs, type Graph, type Value } from '../engine/ir/graph.ts'
import { elementCount, type Tensor } from '../engine/ir/tensor.ts'
import { decodeModel } from '../engine/onnx/index.ts'
import { requireFew, requireSmall } from '../shared/record-size.ts'
import { cut } from '../shared/some.ts'
import type { ModelSummary } from './inspect.ts'
import type { Port } from './model.ts'

/** Decodes the file at `path`; `external` maps names in the model to paths. */
export function summarize(path: string, external: Readonly<Record<string, string>>): ModelSummary {
  const summary = summaryOf(path, external)
  requireSmall('model_too_complex', summary)
  return summary
}

const MOST_WARNINGS = 20
const LONGEST_WARNING = 500

function summaryOf(path: string, external: Readonly<Record<string, string>>): ModelSummary {
  const {
    model,
    warnings,
    external: used,
    operators,
  } = decodeModel(path, (name) => (Object.hasOwn(external, name) ? (external[name] ?? null) : null))
  const names = (values: readonly Value[]) => values.map(({ name }) => name)
  requireFew('model_too_complex', 'inputs', names(model.graph.inputs))
  requireFew('model_too_complex', 'outputs', names(model.graph.outputs))
  refuseBorders(model)
  requireFew('model_too_complex', 'operators', [...operators.keys()])
  requireFew('model_too_complex', 'operator sets', [...model.opsets.keys()])
  const graphs = [...allGraphs(model.graph)]
  const tensors = graphs.flatMap(constantsOf)
  const unused = Object.keys(external).filter((name) => !used.includes(name))
  return {
    inputs: model.graph.inputs.map(portOf),
    outputs: model.graph.outputs.map(portOf),
    opset: model.opsets.get('') ?? 0,
    opsets: Object.fromEntries([...model.opsets].map(([domain, version]) => [domain || 'ai.onnx', version])),
    ir_version: model.irVersion,
    parameters: tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    op_types: Object.fromEntries(operators),
    precision: precisionOf(tensors, [...operators.keys()]),
    producer: model.producer.slice(0, 200) || null,
    warnings: [
      ...warnings.map((detail) => ({ code: 'model', detail })),
      ...unused.map((name) => ({ code: 'external_unused', detail: `the model does not refer to the file ${name}` })),
    ]
      .slice(0, MOST_WARNINGS)
      .map(({ code, detail }) => ({ code, detail: cut(detail, LONGEST_WARNING) })),
  }
}

function constantsOf(graph: Graph): Tensor[] {
  const initializers = [...graph.initializers].flatMap(({ tensor }) => tensor ?? [])
  const nodes = [...graph.nodes].filter(({ opType }) => opType === 'Constant')
  return [...initializers, ...nodes.flatMap((node) => node.tensor('value') ?? [])]
}

const portOf = ({ name, dtype, shape, opaqueType }: Value): Port => ({
  name,
  dtype: dtype ?? (opaqueType ? 'not a tensor' : 'unknown'),
  shape: shape ? [...shape] : null,
})

const QUANTIZED =
  /^(com\.microsoft\.)?(QLinear|Quantize|Dequantize|DynamicQuantize|MatMulInteger|ConvInteger|MatMulNBits|GatherBlockQuantized|QGemm|QAttention)/
const FLOATS: readonly DType[] = ['float32', 'float16', 'bfloat16', 'float64']

/** `quantized`, or the float type that most parameters have; `none` without parameters of a float type. */
function precisionOf(tensors: readonly Tensor[], operators: readonly string[]): string {
  if (operators.some((name) => QUANTIZED.test(name))) return 'quantized'
  const size = (dtype: DType) =>
    tensors.filter((tensor) => tensor.dtype === dtype).reduce((sum, { shape }) => sum + elementCount(shape), 0)
  const [largest] = FLOATS.map((dtype) => ({ dtype, size: size(dtype) })).sort((a, b) => b.size - a.size)
  return largest && largest.size > 0 ? largest.dtype : 'none'
}
