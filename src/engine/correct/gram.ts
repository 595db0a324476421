/** Gram matrices E[x·xᵀ] of what the rows of a layer's weight are multiplied with, computed by the model itself. */
import { addInitializer, addNode, ints } from '../ir/build.ts'
import { freshName, type Model, type Node, Value } from '../ir/graph.ts'
import { float32, int64, type Tensor } from '../ir/tensor.ts'
import type { RunTensor, Session } from '../runtime/runtime.ts'
import type { Layer } from './channels.ts'

/** longest rows whose matrix is worth its memory */
const LONGEST = 2304

/** How a layer's weight falls into rows: `groups` of them see inputs of their own, `length` numbers each. */
export interface Rows {
  groups: number
  length: number
  /** of the whole weight */
  shape: readonly number[]
  /** weights of a row lie this far apart */
  stride: number
  /** where the weights of a row begin */
  start: (row: number) => number
}

/** null for layers whose rows are too long, or no rows at all. */
export function rowsOf({ node, weight, axis, outputs, inputs }: Layer): Rows | null {
  const { shape } = weight.tensor as Tensor
  const groups = node.opType === 'Conv' ? node.int('group', 1) : 1
  const length = shape.reduce((a, b) => a * b, 1) / outputs
  if (length > LONGEST || node.opType === 'ConvTranspose') return null
  if (axis === 0) return { groups, length, shape, stride: 1, start: (row) => row * length }
  return shape.length === 2 ? { groups: 1, length: inputs, shape, stride: outputs, start: (row) => row } : null
}

/** Adds the Gram matrix [groups, length, length] of one run to the model's outputs for each node. The model is changed; its layers keep their names. */
export function addGrams(model: Model, rows: ReadonlyMap<string, Rows>): Map<string, string> {
  const nodes = [...model.graph.nodes].filter(({ name }) => rows.has(name))
  return new Map(
    nodes.flatMap((node) => {
      const columns = columnsOf(model, node, rows.get(node.name) as Rows)
      if (!columns) return []
      const output = new Value(freshName(model, `${node.name}_gram`), 'float32')
      const across = transpose(model, columns, [0, 2, 1])
      addNode(model, model.graph, 'MatMul', [columns, across], { outputs: [output] })
      model.graph.outputs.push(output)
      return [[node.name, output.name] as const]
    }),
  )
}

/** What the rows are multiplied with, as [groups, length, positions]. */
function columnsOf(model: Model, node: Node, rows: Rows): Value | null {
  const { groups, length } = rows
  const [x] = node.inputs
  if (!x) return null
  if (node.opType !== 'Conv') return transpose(model, reshape(model, x, [1, -1, length]), [0, 2, 1])
  const patches = addNode(model, model.graph, 'Conv', [x, patchKernel(model, node, rows)], {
    attributes: Object.fromEntries(node.attributes),
  })
  const perGroup = transpose(model, reshape(model, patches, [0, groups, length, -1]), [1, 2, 0, 3])
  return reshape(model, perGroup, [groups, length, -1])
}

/** A kernel that copies every element of a patch into a channel of its own. */
function patchKernel(model: Model, node: Node, { groups, length, shape }: Rows): Value {
  const kernel = new Float32Array(groups * length * length)
  for (let row = 0; row < groups * length; row++) kernel[row * length + (row % length)] = 1
  return addInitializer(
    model,
    model.graph,
    `${node.name}_patches`,
    float32([groups * length, ...shape.slice(1)], kernel),
  )
}

const reshape = (model: Model, value: Value, shape: readonly number[]): Value =>
  addNode(model, model.graph, 'Reshape', [
    value,
    addInitializer(model, model.graph, 'shape', int64([shape.length], shape)),
  ])

const transpose = (model: Model, value: Value, perm: readonly number[]): Value =>
  addNode(model, model.graph, 'Transpose', [value], { attributes: { perm: ints(perm) } })

/** Sums of these outputs over the batches. */
export async function measureGrams(
  session: Session,
  outputs: ReadonlyMap<string, string>,
  batches: Iterable<Record<string, RunTensor>>,
): Promise<Map<string, Float32Array>> {
  const grams = new Map<string, Float32Array>()
  for (const feeds of batches) {
    const results = await session.run(feeds, [...outputs.values()])
    for (const [name, output] of outputs) {
      const found = results[output]?.data as Float32Array
      const sum = grams.get(name) ?? new Float32Array(found.length)
      for (let i = 0; i < found.length; i++) sum[i]! += found[i]!
      grams.set(name, sum)
    }
  }
  return grams
}
