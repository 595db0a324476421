/**
 * Branches that are decided before any data is seen. ONNX Runtime inlines them too, but 1.30 refuses or dies when an If inside such a
 * branch is decided as well: here its part is to compute the conditions, from the nodes in front of them alone.
 */
import { FewbitError } from '../../shared/errors.ts'
import { capturedValues, Graph, type Model, type Node, type Value } from '../ir/graph.ts'
import { type Tensor, view } from '../ir/tensor.ts'
import { decodeModel } from '../onnx/index.ts'
import { branchOf, inlineBranch } from '../passes/inline-branch.ts'
import { removeUnused } from '../passes/remove-unused.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Workspace } from '../runtime/workspace.ts'

/** Inlines every If whose condition follows from constants and fixed shapes; the others stay. Returns how many were decided. */
export async function decideBranches(model: Model, runtime: Runtime, workspace: Workspace): Promise<number> {
  let decided = 0
  for (let before = -1; decided !== before; ) {
    before = decided
    const open = [...model.graph.nodes].filter(({ opType, domain }) => opType === 'If' && domain === '')
    const known = await knownConditions(model, open, runtime, workspace)
    for (const node of open) {
      const condition = node.inputs[0] && known.get(node.inputs[0])
      const branch = condition === undefined || condition === null ? null : branchOf(node, condition)
      if (!branch) continue
      inlineBranch(model, node, branch)
      decided++
    }
  }
  if (decided > 0) removeUnused.run(model)
  return decided
}

async function knownConditions(
  model: Model,
  nodes: readonly Node[],
  runtime: Runtime,
  workspace: Workspace,
): Promise<Map<Value, boolean>> {
  const conditions = new Set(nodes.flatMap(({ inputs }) => inputs[0] ?? []))
  const slices = [...conditions].map((condition) => ({ condition, upstream: upstreamOf(condition) }))
  const askable = slices.filter(({ upstream }) => [...upstream].every(({ subgraphs }) => subgraphs.length === 0))
  const asked = askable.filter(({ condition }) => !condition.tensor)
  const folded = asked.length > 0 ? await fold(sliceOf(model, asked), runtime, workspace) : new Map<string, Tensor>()
  return new Map(
    askable.flatMap(({ condition }) => {
      const tensor = condition.tensor ?? folded.get(condition.name)
      return tensor?.dtype === 'bool' ? [[condition, view(tensor, 'bool')[0] === 1]] : []
    }),
  )
}

/** The nodes that a value depends on. */
function upstreamOf(value: Value): Set<Node> {
  const found = new Set<Node>()
  const open = [value]
  for (let next = open.pop(); next; next = open.pop()) {
    const { producer } = next
    if (!producer || found.has(producer)) continue
    found.add(producer)
    open.push(...producer.inputs.filter((input): input is Value => input !== null), ...capturedValues(producer))
  }
  return found
}

function sliceOf(model: Model, asked: readonly { condition: Value; upstream: ReadonlySet<Node> }[]): Model {
  const graph = new Graph(model.graph.name)
  const nodes = new Set(asked.flatMap(({ upstream }) => [...upstream]))
  for (const node of model.graph.nodes) if (nodes.has(node)) graph.addNode(node)
  const read = new Set([...nodes].flatMap(({ inputs }) => [...inputs]))
  for (const value of model.graph.initializers) if (read.has(value)) graph.addInitializer(value)
  graph.inputs.push(...model.graph.inputs.filter((value) => read.has(value)))
  graph.outputs.push(...asked.map(({ condition }) => condition))
  return { ...model, graph }
}

/** The outputs that turn out to be constants. */
async function fold(slice: Model, runtime: Runtime, workspace: Workspace): Promise<Map<string, Tensor>> {
  const path = workspace.path('conditions-folded.onnx')
  try {
    const session = await runtime.load(workspace.save('conditions.onnx', slice), {
      optimization: 'basic',
      saveTo: path,
    })
    await session.release()
  } catch (error) {
    // What is wrong with the model is said when all of it is loaded.
    if (error instanceof FewbitError && error.code !== 'out_of_memory') return new Map()
    throw error
  }
  const { graph } = decodeModel(path).model
  return new Map(graph.outputs.flatMap(({ name, tensor }) => (tensor ? [[name, tensor]] : [])))
}
