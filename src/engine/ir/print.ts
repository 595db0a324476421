/** A model as text: one line per node, stable between runs, for snapshots and for looking. */
import { type Attribute, type Graph, type Model, type Node, sortedNodes, type Value } from './graph.ts'
import { bytesOf, elementCount, type Tensor, view } from './tensor.ts'

const LONGEST = 8

/** The whole model: operator sets, inputs, constants, nodes in executable order, outputs. */
export function print(model: Model): string {
  const opsets = [...model.opsets].map(([domain, version]) => `${domain || 'ai.onnx'} ${version}`).join(', ')
  return [`opset ${opsets}`, ...printGraph(model.graph, '')].join('\n')
}

function printGraph(graph: Graph, indent: string): string[] {
  return [
    ...graph.inputs.map((value) => `${indent}input ${printValue(value)}`),
    ...[...graph.initializers].map((value) => `${indent}constant ${printValue(value)} = ${printTensor(value.tensor)}`),
    ...sortedNodes(graph).flatMap((node) => printNode(node, indent)),
    ...graph.outputs.map((value) => `${indent}output ${printValue(value)}`),
  ]
}

const printValue = ({ name, dtype, shape }: Value): string =>
  `${name}: ${dtype ?? '?'}${shape ? `[${shape.map((dim) => dim ?? '?').join(',')}]` : ''}`

function printTensor(tensor: Tensor | undefined): string {
  if (!tensor) return 'nothing'
  const count = elementCount(tensor.shape)
  if (count > LONGEST) return `${count} elements`
  if (tensor.strings) return JSON.stringify(tensor.strings.map((bytes) => Buffer.from(bytes).toString('utf8')))
  return `{${elementsOf(tensor).join(', ')}}`
}

function elementsOf(tensor: Tensor): (number | bigint | string)[] {
  const { dtype } = tensor
  const shown = [
    'float32',
    'float64',
    'int8',
    'uint8',
    'bool',
    'int16',
    'uint16',
    'int32',
    'uint32',
    'int64',
    'uint64',
  ] as const
  const known = shown.find((name) => name === dtype)
  if (!known) return [Buffer.from(bytesOf(tensor)).toString('hex')]
  return [...(view(tensor, known) as Iterable<number | bigint>)].map((x) =>
    dtype === 'float32' ? Number(Number(x).toPrecision(6)) : x,
  )
}

function printNode(node: Node, indent: string): string[] {
  const names = (values: readonly (Value | null)[]) => values.map((value) => value?.name ?? '_').join(', ')
  const domain = node.domain && `${node.domain}.`
  const attributes = [...node.attributes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, attribute]) => printAttribute(name, attribute))
  const list = attributes.length > 0 ? ` {${attributes.join(', ')}}` : ''
  const line = `${indent}${names(node.outputs)} = ${domain}${node.opType}(${names(node.inputs)})${list}`
  return [line, ...node.subgraphs.flatMap((graph) => printGraph(graph, `${indent}  `))]
}

function printAttribute(name: string, attribute: Attribute): string[] {
  if (attribute.kind === 'graph' || attribute.kind === 'graphs') return []
  if (attribute.kind === 'tensor') return [`${name}: ${printTensor(attribute.value)}`]
  if (attribute.kind === 'tensors' || attribute.kind === 'unknown') return [`${name}: …`]
  return [`${name}: ${JSON.stringify(attribute.value)}`]
}
