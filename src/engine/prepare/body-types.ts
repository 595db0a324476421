/** The element types of the values inside If, Loop and Scan, which ONNX Runtime infers when a body stands alone. */

import { FewbitError } from '../../shared/errors.ts'
import { capturedValues, Graph, type Model, type Node, type Value } from '../ir/graph.ts'
import type { ByOperator } from '../ir/operators.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Workspace } from '../runtime/workspace.ts'

/** how many inputs of a node come before those that its body gets, and how many inputs its body has before them */
const ARGUMENTS: ByOperator<{ node: number; body: number }> = {
  Loop: { node: 2, body: 2 },
  Scan: { node: 0, body: 0 },
}

/** Writes the types into the values of every body whose surroundings are known; the others stay unknown. */
export async function inferBodyTypes(model: Model, runtime: Runtime, workspace: Workspace): Promise<void> {
  await inferInside(model, model.graph, runtime, workspace)
}

async function inferInside(model: Model, graph: Graph, runtime: Runtime, workspace: Workspace): Promise<void> {
  for (const node of graph.nodes) {
    for (const body of node.subgraphs) {
      giveArguments(node, body)
      await inferBody(model, body, runtime, workspace)
      await inferInside(model, body, runtime, workspace)
    }
  }
}

function giveArguments(node: Node, body: Graph): void {
  if (node.opType === 'Loop') {
    if (body.inputs[0]) body.inputs[0].dtype ??= 'int64'
    if (body.inputs[1]) body.inputs[1].dtype ??= 'bool'
  }
  const offset = ARGUMENTS[node.opType]
  if (!offset) return
  node.inputs.slice(offset.node).forEach((value, i) => {
    const inner = body.inputs[offset.body + i]
    if (inner && value) inner.dtype ??= value.dtype
  })
}

async function inferBody(model: Model, body: Graph, runtime: Runtime, workspace: Workspace): Promise<void> {
  const graph = alone(body)
  if (graph.inputs.some(({ dtype }) => dtype === undefined)) return
  try {
    const session = await runtime.load(workspace.save('body.onnx', { ...model, graph }), { optimization: 'disabled' })
    const types = new Map(session.outputs.map(({ name, dtype }) => [name, dtype]))
    await session.release()
    for (const value of graph.outputs) value.dtype ??= types.get(value.name)
  } catch (error) {
    // A body that ONNX Runtime does not take alone computes as it did before.
    if (!(error instanceof FewbitError) || error.code === 'out_of_memory') throw error
  }
}

/** The body with what it reads from outside as inputs and everything it computes as outputs. */
function alone(body: Graph): Graph {
  const graph = new Graph(body.name)
  for (const value of body.initializers) graph.addInitializer(value)
  for (const node of body.nodes) graph.addNode(node)
  const own = new Set<Value>([...body.inputs, ...body.initializers])
  const made = [...body.nodes].flatMap(({ outputs }) => outputs.filter((value): value is Value => value !== null))
  for (const value of made) own.add(value)
  const read = [...body.nodes].flatMap((node) => [...node.inputs, ...capturedValues(node)])
  const outside = new Set(read.filter((value): value is Value => value !== null && !own.has(value)))
  graph.inputs.push(...body.inputs, ...outside)
  graph.outputs.push(...made)
  return graph
}
