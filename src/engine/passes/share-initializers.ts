/** Makes equal small constants (scales, zero points) one: the file shrinks, the numbers stay. */
import { type Graph, type Model, replaceUses, type Value } from '../ir/graph.ts'
import { bytesOf } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'

const LARGEST = 4096

export const shareInitializers: Pass = { name: 'share-initializers', run: (model: Model) => shareIn(model.graph) }

function shareIn(graph: Graph): void {
  const outputs = new Set(graph.outputs)
  const first = new Map<string, Value>()
  for (const value of [...graph.initializers]) {
    const key = contentKey(value)
    const original = key === null ? undefined : first.get(key)
    if (key !== null && !original) first.set(key, value)
    if (original && !outputs.has(value)) {
      replaceUses(value, original)
      graph.initializers.delete(value)
    }
  }
}

function contentKey({ tensor }: Value): string | null {
  if (!tensor || tensor.strings || tensor.data.length > LARGEST) return null
  const bytes = bytesOf(tensor)
  return `${tensor.dtype}[${tensor.shape.join(',')}]${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')}`
}
