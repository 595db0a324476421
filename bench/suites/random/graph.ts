/** Random graphs that look like networks: blocks whose sizes fit, on images, sequences, tokens and vectors. */

import { randomSource } from '../../../src/engine/data/synthetic.ts'
import { encodeNpz } from '../../../src/engine/data/write-npz.ts'
import { openRandom, type Random, type State } from './builder.ts'
import { IMAGE_BLOCKS, IMAGE_ENDS } from './images.ts'
import { SEQUENCE_BLOCKS, SEQUENCE_ENDS, VECTOR_BLOCKS, VECTOR_ENDS } from './sequences.ts'

export interface Block {
  name: string
  fits?: (state: State) => boolean
  apply: (m: Random, state: State) => State
}

export interface RandomGraph {
  seed: number
  opset: number
  blocks: string[]
  bytes: Uint8Array
  data: Buffer
}

const SAMPLES = 48
const TOKENS = 50

/** by the number of axes behind the samples' */
const BLOCKS: Record<number, readonly Block[]> = { 1: VECTOR_BLOCKS, 2: SEQUENCE_BLOCKS, 3: IMAGE_BLOCKS }
const ENDS: Record<number, readonly Block[]> = { 1: VECTOR_ENDS, 2: SEQUENCE_ENDS, 3: IMAGE_ENDS }

/** The same graph and data for the same seed. */
export function randomGraph(seed: number): RandomGraph {
  const m = openRandom(seed)
  const dims = m.pick([[3, 8, 8], [3, 12, 12], [1, 16, 8], [6, 8], [12, 4], [8], [20]])
  const tokens = dims.length === 2 && m.chance(0.3)
  const input = m.input('x', ['N', ...(tokens ? dims.slice(0, 1) : dims)], tokens ? 'int64' : 'float32')
  const blocks: string[] = tokens ? ['embedding'] : []
  let state: State = { dims, value: tokens ? m.op('Gather', [m.weights([TOKENS, dims[1]!]), input]) : input }
  const use = (from: readonly Block[]) => {
    const fitting = from.filter(({ fits }) => fits?.(state) ?? true)
    const block = m.pick(fitting)
    state = block.apply(m, state)
    blocks.push(block.name)
  }
  for (;;) {
    for (let count = m.pick([1, 2, 3, 4]); count > 0; count--) use(BLOCKS[state.dims.length]!)
    if (state.dims.length === 1 || m.chance(0.25)) break
    use(ENDS[state.dims.length]!)
  }
  if (state.dims.length === 1) use(VECTOR_ENDS)
  m.output(state.value, 'y', ['N', ...state.dims])
  return {
    seed,
    opset: m.opset,
    blocks,
    bytes: m.bytes(),
    data: dataFor(seed, tokens ? dims.slice(0, 1) : dims, tokens),
  }
}

/** Normal numbers that grow from channel to channel, or tokens. */
function dataFor(seed: number, dims: readonly number[], tokens: boolean): Buffer {
  const random = randomSource(seed + 17)
  const size = dims.reduce((a, b) => a * b, 1)
  const shape = [SAMPLES, ...dims]
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  if (tokens) {
    const data = BigInt64Array.from({ length: SAMPLES * size }, () => BigInt(Math.floor(random() * TOKENS)))
    return encodeNpz({ x: { dtype: 'int64', shape, data } })
  }
  return encodeNpz({ x: { dtype: 'float32', shape, data: Float32Array.from({ length: SAMPLES * size }, normal) } })
}
