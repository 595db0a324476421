/** Matrices of which one is the other transposed, as ONNX Runtime's folding makes them of tied weights: one is stored, the other computed. */
import { addNode, ints } from '../ir/build.ts'
import { bitsOf } from '../ir/dtype.ts'
import type { Model, Value } from '../ir/graph.ts'
import { bytesOf, elementCount, type Tensor } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'

/** smaller matrices are not worth a node */
const SMALLEST = 1024

export const shareTransposed: Pass = {
  name: 'share-transposed',
  run: (model) => {
    for (const [value, twin] of transposedTwins(model)) {
      model.graph.initializers.delete(twin)
      twin.tensor = undefined
      addNode(model, model.graph, 'Transpose', [value], {
        name: `${twin.name}_Transpose`,
        outputs: [twin],
        attributes: { perm: ints([1, 0]) },
      })
    }
  },
}

/** Pairs of constants of the main graph; the first is the one that is read in rows. Nothing where weights lie in files. */
export function transposedTwins({ graph, keep }: Model): [Value, Value][] {
  if (keep) return []
  const matrices = [...graph.initializers].filter((value) => isMatrix(value.tensor) && !graph.outputs.includes(value))
  const pairs: [Value, Value][] = []
  const found = new Set<Value>()
  for (const alike of groups(matrices)) {
    for (const [i, a] of alike.entries()) {
      const b = found.has(a) ? undefined : alike.slice(i + 1).find((other) => !found.has(other) && areTwins(a, other))
      if (!b) continue
      found.add(a).add(b)
      pairs.push(isTable(b) && !isTable(a) ? [b, a] : [a, b])
    }
  }
  return pairs
}

const isMatrix = (tensor: Tensor | undefined): boolean =>
  tensor?.shape.length === 2 && elementCount(tensor.shape) >= SMALLEST && bitsOf(tensor.dtype) >= 8

const isTable = ({ consumers }: Value): boolean =>
  [...consumers.keys()].some(({ opType }) => opType.startsWith('Gather'))

/** Constants of one type, size and sum that occur in both orientations. */
function groups(values: readonly Value[]): Value[][] {
  const bySize = new Map<string, Value[]>()
  for (const value of values) {
    const { dtype, shape } = value.tensor!
    const key = `${dtype} ${shape.toSorted((a, b) => a - b)}`
    bySize.set(key, [...(bySize.get(key) ?? []), value])
  }
  return [...bySize.values()].filter(hasBothOrientations).flatMap(bySum)
}

const hasBothOrientations = (alike: readonly Value[]): boolean =>
  alike.some(({ tensor }) =>
    alike.some((other) => other.tensor!.shape[0] === tensor!.shape[1] && other.tensor !== tensor),
  )

function bySum(alike: readonly Value[]): Value[][] {
  const sums = new Map<number, Value[]>()
  for (const value of alike) {
    const sum = bytesOf(value.tensor!).reduce((total, byte) => total + byte, 0)
    sums.set(sum, [...(sums.get(sum) ?? []), value])
  }
  return [...sums.values()].filter(({ length }) => length > 1)
}

function areTwins({ tensor: a }: Value, { tensor: b }: Value): boolean {
  const [rows, columns] = a!.shape as [number, number]
  if (b!.shape[0] !== columns || b!.shape[1] !== rows) return false
  const [left, right, width] = [bytesOf(a!), bytesOf(b!), bitsOf(a!.dtype) / 8]
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      for (let i = 0; i < width; i++)
        if (left[(r * columns + c) * width + i] !== right[(c * rows + r) * width + i]) return false
  return true
}
