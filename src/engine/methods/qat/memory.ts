/** How much memory a training step will need, before it starts. */
import { FewbitError } from '../../../shared/errors.ts'
import type { Graph, Node } from '../../ir/graph.ts'
import { elementCount } from '../../ir/tensor.ts'
import { opOf } from '../../ops/index.ts'
import { OPTIMIZERS } from './optimizers.ts'
import type { Student } from './student.ts'

export interface MemoryNeed {
  /** trained numbers with their moments, twice, and their gradients */
  parameters: number
  /** results of the forward pass that the backward pass reads, and gradients on the way */
  activations: number
  total: number
}

const FLOAT = 4
/** the process, ONNX Runtime and the models themselves */
const BASE = 250 * 2 ** 20
/** of a result: itself and its gradient, in an arena that grows by doubling */
const COPIES = 2
/** the same of what is rounded, with integers, mask and error: measured on MobileNetV2, DS-CNN and two transformers */
const ROUNDED_COPIES = 8

/** `student` has fixed shapes. */
export function memoryNeed({ model: { graph }, parameters }: Student, optimizer: keyof typeof OPTIMIZERS): MemoryNeed {
  const count = parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0)
  const states = (1 + OPTIMIZERS[optimizer].moments) * 2 + 3
  const parameterBytes = count * FLOAT * states
  const activationBytes = keptBytes(graph)
  return { parameters: parameterBytes, activations: activationBytes, total: parameterBytes + activationBytes + BASE }
}

const copiesOf = ({ opType }: Node): number => (opType === 'FakeQuantize' ? ROUNDED_COPIES : COPIES)

/** Results of operators that compute; what only moves numbers shares memory or is not kept. */
function keptBytes({ nodes }: Graph): number {
  let bytes = 0
  for (const node of nodes) {
    if (opOf(node)?.class === 'movement') continue
    for (const value of node.outputs) {
      const sizes = (value?.shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 1))
      if (value?.dtype === 'float32') bytes += FLOAT * elementCount(sizes) * copiesOf(node)
    }
  }
  return bytes
}

/** Throws out_of_memory with the numbers when the training cannot fit. */
export function requireMemory(need: MemoryNeed, limit: number | undefined, batch: number): void {
  if (limit === undefined || need.total <= limit) return
  const megabytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`
  throw new FewbitError(
    'out_of_memory',
    `Training with batches of ${batch} needs about ${megabytes(need.total)} (${megabytes(need.parameters)} for weights, moments and gradients, ${megabytes(need.activations)} for activations), and the job may use ${megabytes(limit)}.`,
    {
      param: '/training/batch_size',
      stage: 'train',
      hint: 'train with smaller batches or smaller samples, or ask the operator for a larger RUNNER_MEMORY_BYTES',
    },
  )
}
