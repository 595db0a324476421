/** Operators of ONNX's first years that were removed from it, written with those that stayed. Sources: ONNX 1.3, operators marked experimental; ONNX Runtime's kernels of them. */

import { addInitializer, addNode, replaceNode } from '../ir/build.ts'
import type { Graph, Model, Node, Value } from '../ir/graph.ts'
import type { ByOperator, Operator } from '../ir/operators.ts'
import { float32, int64, scalar } from '../ir/tensor.ts'

/** A node of a model. */
export interface Site {
  model: Model
  graph: Graph
  node: Node
}

/** Writes the same result with other nodes, or says why it cannot. */
type Rewrite = (site: Site, input: Value) => string | null

/** factor · f(inner · x) + offset, where each part may be missing */
const around =
  (parts: (node: Node) => { inner?: number; opType?: Operator; factor?: number; offset?: number }): Rewrite =>
  ({ model, graph, node }, input) => {
    const { inner, opType, factor, offset } = parts(node)
    const steps: [Operator, Value?][] = [
      ...(inner === undefined ? [] : [['Mul', number(model, graph, node, inner)] as [Operator, Value]]),
      ...(opType ? [[opType] as [Operator]] : []),
      ...(factor === undefined ? [] : [['Mul', number(model, graph, node, factor)] as [Operator, Value]]),
      ...(offset === undefined ? [] : [['Add', number(model, graph, node, offset)] as [Operator, Value]]),
    ]
    chain({ model, graph, node }, input, steps)
    return null
  }

const number = (model: Model, graph: Graph, { name, opType }: Node, value: number): Value =>
  addInitializer(model, graph, `${name || opType}_number`, scalar(value))

/** One step behind the other; the last takes the place of the node. */
function chain({ model, graph, node }: Site, input: Value, steps: readonly [Operator, Value?][]): void {
  const last = steps.length - 1
  steps.reduce((value, [opType, operand], i) => {
    const inputs = operand ? [value, operand] : [value]
    return i === last ? replaceNode(model, graph, node, opType, inputs) : addNode(model, graph, opType, inputs)
  }, input)
}

/** x · scale + bias[channel] for images [N, C, H, W]. */
const imageScaler: Rewrite = ({ model, graph, node }, input) => {
  const bias = node.attributes.get('bias')
  const biases = bias?.kind === 'floats' ? bias.value : []
  const offsets = addInitializer(model, graph, `${node.name}_bias`, float32([biases.length, 1, 1], biases))
  const factor = number(model, graph, node, node.float('scale', 1))
  chain({ model, graph, node }, input, [
    ['Mul', factor],
    ...(biases.length > 0 ? [['Add', offsets] as [Operator, Value]] : []),
  ])
  return null
}

/** Cuts [left, top, right, bottom] off images [N, C, H, W], or takes `scale` [height, width] from the corner. */
const crop: Rewrite = ({ model, graph, node }, input) => {
  const [left, top, right, bottom] = node.ints('border') ?? []
  if (left === undefined || top === undefined || right === undefined || bottom === undefined)
    return `Crop "${node.name}" has no border of four numbers`
  const size = node.ints('scale')
  const constant = (name: string, numbers: readonly number[]) =>
    addInitializer(model, graph, `${node.name}_${name}`, int64([2], numbers))
  const end = (border: number) => (border === 0 ? Number.MAX_SAFE_INTEGER : -border)
  const ends = size ? [top + size[0]!, left + size[1]!] : [end(bottom), end(right)]
  const inputs = [constant('starts', [top, left]), constant('ends', ends), constant('axes', [2, 3])]
  replaceNode(model, graph, node, 'Slice', [input, ...inputs])
  return null
}

const REWRITES: ByOperator<Rewrite> = {
  Affine: around((node) => ({ factor: node.float('alpha', 1), offset: node.float('beta', 0) })),
  Scale: around((node) => ({ factor: node.float('scale', 1) })),
  ScaledTanh: around((node) => ({ inner: node.float('beta', 1), opType: 'Tanh', factor: node.float('alpha', 1) })),
  ParametricSoftplus: around((node) => ({
    inner: node.float('beta', 1),
    opType: 'Softplus',
    factor: node.float('alpha', 1),
  })),
  ImageScaler: imageScaler,
  Crop: crop,
}

export const REMOVED = Object.keys(REWRITES) as readonly Operator[]

/** Why a removed operator cannot be written with others, or null when it was. Needs operator set 10 or newer, where Slice takes inputs. */
export function rewriteRemoved(site: Site): string | null {
  const [input] = site.node.inputs
  return input ? REWRITES[site.node.opType]!(site, input) : `${site.node.opType} "${site.node.name}" has no input`
}
