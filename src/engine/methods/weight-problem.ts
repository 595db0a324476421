/** Constants that no integers stand for, in the words that every method uses. */
import { FewbitError } from '../../shared/errors.ts'
import { allGraphs, type Graph, type Node } from '../ir/graph.ts'
import { view } from '../ir/tensor.ts'
import { opOf } from '../ops/index.ts'
import { scaleProblem } from '../quant/math.ts'

/** Why a float32 constant that the node reads cannot be quantized, NaN or infinity above all; null when all can. */
export function weightProblem({ inputs }: Node): string | null {
  for (const value of inputs) {
    if (value?.tensor?.dtype !== 'float32' || value.tensor.shape.length === 0) continue
    const problem = scaleProblem(view(value.tensor, 'float32'))
    if (problem) return `its constant "${value.name}" ${problem}`
  }
  return null
}

/** Throws model_tensor_invalid for a layer whose weights nobody can quantize, where the method cannot leave it float. */
export function refuseBrokenWeights(graph: Graph, excludes: (node: Node) => string | null): void {
  const layers = [...allGraphs(graph)]
    .flatMap(({ nodes }) => [...nodes])
    .filter((node) => opOf(node)?.class === 'multiply')
  for (const node of layers) {
    const problem = excludes(node) === null ? weightProblem(node) : null
    if (!problem) continue
    throw new FewbitError(
      'model_tensor_invalid',
      `node "${node.name}" (${node.opType}) cannot be quantized: ${problem}.`,
      {
        stage: 'plan',
        hint: 'repair the weight, or exclude the node (exclude.nodes); onnxruntime.quantization stops at it as well',
      },
    )
  }
}

/** Whether a node reads a constant of two axes and more. */
export const hasMatrix = ({ inputs }: Node): boolean =>
  inputs.some((value) => value?.tensor?.dtype.startsWith('float') && value.tensor.shape.length > 1)

/** The reason of the first layer that stays float, as a sentence that ends a refusal; empty without one. */
export function firstReason(judged: readonly { node: Node; reason: string | null }[]): string {
  const float = judged.filter(({ reason }) => reason !== null)
  const first = float.find(({ node }) => opOf(node)?.class === 'multiply') ?? float.find(({ node }) => hasMatrix(node))
  return first ? ` For example node "${first.node.name}" (${first.node.opType}) stays float: ${first.reason}.` : ''
}
