/** A network as the tables of a file: tensors and buffers numbered, operators with versions, signature and metadata. */
import type { Sink } from '../ir/sink.ts'
import { codeOfType, OPERATORS } from './codes.ts'
import type { Border, Network, OperatorNode, TensorNode } from './network.ts'
import type { Bytes, TableOf } from './schema.ts'
import { versionOf } from './versions.ts'
import { measureFile } from './write.ts'

export interface Description {
  /** who made the file */
  producer: string
  /** texts by name that travel inside */
  metadata: Readonly<Record<string, string>>
}

const SIGNATURE = 'serving_default'
/** of the schema */
const VERSION = 3

/** Measures the file; `write` streams it. Throws model_not_convertible past 2 GiB. */
export const measureNetwork = (
  network: Network,
  description: Description,
): { size: number; write: (sink: Sink) => void } => measureFile(tablesOf(network, description))

function tablesOf({ operators, inputs, outputs }: Network, { producer, metadata }: Description): TableOf<'Model'> {
  const tensors = numbered([...inputs, ...outputs].map(({ tensor }) => tensor).concat(operators.flatMap(tensorsOf)))
  const indexOf = (tensor: TensorNode | null) => (tensor ? (tensors.get(tensor) ?? -1) : -1)
  const buffers: TableOf<'Buffer'>[] = [{}]
  const keep = (data: Bytes) => buffers.push({ data }) - 1
  const codes = codesOf(operators)
  return {
    version: VERSION,
    operator_codes: [...codes.values()],
    subgraphs: [
      {
        name: 'main',
        tensors: [...tensors.keys()].map((tensor) => tensorTable(tensor, tensor.data ? keep(tensor.data) : 0)),
        inputs: inputs.map(({ tensor }) => indexOf(tensor)),
        outputs: outputs.map(({ tensor }) => indexOf(tensor)),
        operators: operators.map((operator) => ({
          opcode_index: [...codes.keys()].indexOf(codeKey(operator)),
          inputs: operator.inputs.map(indexOf),
          outputs: operator.outputs.map(indexOf),
          ...(operator.options && { builtin_options: operator.options }),
        })),
      },
    ],
    description: producer,
    metadata: Object.entries(metadata).map(([name, text]) => ({ name, buffer: keep(Buffer.from(text)) })),
    signature_defs: [
      {
        signature_key: SIGNATURE,
        subgraph_index: 0,
        inputs: mapsOf(inputs, indexOf),
        outputs: mapsOf(outputs, indexOf),
      },
    ],
    buffers,
  }
}

const tensorsOf = ({ inputs, outputs }: OperatorNode): TensorNode[] =>
  [...inputs, ...outputs].filter((tensor) => tensor !== null)

const numbered = (tensors: readonly TensorNode[]): Map<TensorNode, number> =>
  new Map([...new Set(tensors)].map((tensor, i) => [tensor, i]))

const mapsOf = (borders: readonly Border[], indexOf: (tensor: TensorNode) => number): TableOf<'TensorMap'>[] =>
  borders.map(({ name, tensor }) => ({ name, tensor_index: indexOf(tensor) }))

/** older readers look into a field of seven bits first */
const MOST_OLD_CODE = 127

const codeKey = (operator: OperatorNode): string => `${operator.code} ${versionOf(operator)}`

const codesOf = (operators: readonly OperatorNode[]): Map<string, TableOf<'OperatorCode'>> =>
  new Map(
    operators.map((operator) => {
      const code = OPERATORS[operator.code]
      const table = {
        deprecated_builtin_code: Math.min(code, MOST_OLD_CODE),
        builtin_code: code,
        version: versionOf(operator),
      }
      return [codeKey(operator), table]
    }),
  )

const tensorTable = ({ name, type, shape, quantization }: TensorNode, buffer: number): TableOf<'Tensor'> => ({
  name,
  type: codeOfType(type),
  shape,
  buffer,
  has_rank: true,
  ...(quantization && {
    quantization: {
      scale: quantization.scales,
      zero_point: quantization.zeroPoints,
      quantized_dimension: quantization.axis,
    },
  }),
})
