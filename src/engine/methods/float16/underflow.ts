/** Constants that lose their digits below the normal range of half precision: weights as a whole, or single channels of them. */
import type { Warning } from '../../../contract/report.ts'
import { allGraphs, type Graph, type Node, type Value } from '../../ir/graph.ts'
import { elementCount, view } from '../../ir/tensor.ts'
import { inputRole } from '../../ops/define.ts'
import { opOf } from '../../ops/index.ts'

/** smallest float16 with all its bits */
export const SMALLEST_NORMAL = 2 ** -14
/** distance of the float16 numbers below it */
const STEP = 2 ** -24
/** constants of so few elements are factors and epsilons, not weights */
const FEW = 16
/** dB that must be left of a constant; rounding alone leaves 73 */
const LEAST_LEFT_DB = 50

/** What lies below the normal range counts by its squares and by those of its errors. */
interface Energy {
  signal: number
  error: number
}

const isLost = ({ signal, error }: Energy): boolean => error > 0 && 10 * Math.log10(signal / error) < LEAST_LEFT_DB

function add(energy: Energy, x: number): void {
  energy.signal += x * x
  if (Math.abs(x) < SMALLEST_NORMAL) energy.error += (x - Math.round(x / STEP) * STEP) ** 2
}

function energyOf(numbers: Float32Array): Energy {
  const energy = { signal: 0, error: 0 }
  for (const x of numbers) if (Number.isFinite(x)) add(energy, x)
  return energy
}

const numbersOf = (value: Value | null | undefined): Float32Array | null =>
  value?.tensor?.dtype === 'float32' ? view(value.tensor, 'float32') : null

/** Whether an operand is added to something: what it loses is small wherever the sum is not. */
function isAdded(node: Node, index: number): boolean {
  const def = opOf(node)
  return def !== undefined && (def.sums === true || inputRole(def, index).kind === 'bias')
}

/** Whether the constant that the node reads there loses its digits, or becomes 0. */
export function vanishes(node: Node, index: number): boolean {
  const numbers = numbersOf(node.inputs[index])
  if (!numbers) return false
  if (numbers.length > FEW) return !isAdded(node, index) && isLost(energyOf(numbers))
  const largest = numbers.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  return largest > 0 && largest < SMALLEST_NORMAL
}

/** How many of its channels, along the first or the last axis, a weight loses in half precision; none where it is lost as a whole. */
function lostChannels({ tensor }: Value, numbers: Float32Array): { lost: number; of: number } {
  const shape = tensor?.shape ?? []
  const inner = elementCount(shape.slice(1))
  const width = shape.at(-1) ?? 1
  const rows = countLost(numbers, shape[0] ?? 1, (i) => Math.floor(i / inner))
  const columns = countLost(numbers, width, (i) => i % width)
  return rows > 0 ? { lost: rows, of: shape[0] ?? 1 } : { lost: columns, of: width }
}

function countLost(numbers: Float32Array, channels: number, channelOf: (i: number) => number): number {
  const energies = Array.from({ length: channels }, () => ({ signal: 0, error: 0 }))
  for (const [i, x] of numbers.entries()) if (Number.isFinite(x)) add(energies[channelOf(i)]!, x)
  return energies.filter(isLost).length
}

/** most constants that a warning names */
const MOST_NAMED = 8

/** Names the weights that float16 does not hold. `where`: what becomes of those that are too small as a whole. */
export function warnOfUnderflow(graph: Graph, where: string): Warning[] {
  const named = [...allGraphs(graph)].flatMap(({ initializers }) => [...initializers].flatMap(describe))
  if (named.length === 0) return []
  const more = named.length > MOST_NAMED ? ` and ${named.length - MOST_NAMED} more` : ''
  const detail = `numbers below ${SMALLEST_NORMAL.toPrecision(3)}, the smallest normal float16, lose their digits: ${named.slice(0, MOST_NAMED).join('; ')}${more}. ${where}`
  return [{ code: 'float16_underflow', detail }]
}

function describe(value: Value): string[] {
  const numbers = numbersOf(value)
  const isRead = [...value.consumers.keys()].some((node) =>
    node.inputs.some((one, i) => one === value && !isAdded(node, i)),
  )
  if (!numbers || numbers.length <= FEW || !isRead) return []
  if (isLost(energyOf(numbers))) return [`"${value.name}" as a whole`]
  if (!numbers.some((x) => x !== 0 && Math.abs(x) < SMALLEST_NORMAL) || value.tensor!.shape.length < 2) return []
  const { lost, of } = lostChannels(value, numbers)
  return lost > 0 ? [`${lost} of ${of} channels of "${value.name}"`] : []
}
