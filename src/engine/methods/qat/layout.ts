/** Layout of the trained numbers: large tensors lie alone, small ones are packed into one vector, so that a step has few inputs and outputs. */
import { addInitializer } from '../../ir/build.ts'
import { freshName, type Model, Value } from '../../ir/graph.ts'
import { elementCount, int64 } from '../../ir/tensor.ts'
import type { Parameter } from './parameter.ts'
import { emit, type Site } from './pseudo.ts'

export interface Slot {
  name: string
  dims: readonly number[]
  parameters: readonly Parameter[]
  /** several parameters one after the other */
  packed: boolean
  /** an optimizer changes it; otherwise its numbers follow the data */
  optimized: boolean
}

/** elements from which a tensor lies alone */
const LARGE = 2048

/** Slots for these parameters, in a fixed order. */
export function layoutOf(parameters: readonly Parameter[]): Slot[] {
  const [followed, trained] = [
    parameters.filter(({ kind }) => kind === 'range'),
    parameters.filter(({ kind }) => kind !== 'range'),
  ]
  const large = trained.filter(({ shape }) => elementCount(shape) >= LARGE)
  const small = trained.filter(({ shape }) => elementCount(shape) < LARGE)
  return [
    ...large.map((parameter, i) => ({ ...alone(parameter), name: `tensor_${i}` })),
    ...(small.length > 0 ? [pack('packed', small, true)] : []),
    ...(followed.length > 0 ? [pack('ranges', followed, false)] : []),
  ]
}

const alone = (parameter: Parameter) => ({
  dims: parameter.shape,
  parameters: [parameter],
  packed: false,
  optimized: true,
})

const pack = (name: string, parameters: readonly Parameter[], optimized: boolean): Slot => ({
  name,
  dims: [parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0)],
  parameters,
  packed: true,
  optimized,
})

/** Feeds the slot into the graph: its parameters' values get their numbers from the returned input. */
export function feedSlot(model: Model, slot: Slot): Value {
  const site: Site = { model, graph: model.graph }
  const input = addInput(model, `${slot.name}_now`, slot.dims)
  const [first] = slot.parameters
  if (!slot.packed) emit(site, 'Identity', [input], { outputs: [first!.value] })
  else split(site, slot, input)
  return input
}

function split(site: Site, { parameters }: Slot, input: Value): void {
  const sizes = parameters.map(({ shape }) => elementCount(shape))
  const parts = sizes.map((size, i) => new Value(freshName(site.model, `part_${i}`), 'float32', [size]))
  const lengths = addInitializer(site.model, site.graph, 'lengths', int64([sizes.length], sizes))
  if (parts.length === 1) parts[0] = input
  else emit(site, 'Split', [input, lengths], { outputs: parts })
  parameters.forEach(({ shape, value }, i) => {
    const dims = addInitializer(site.model, site.graph, 'dims', int64([shape.length], shape))
    emit(site, 'Reshape', [parts[i]!, dims], { outputs: [value] })
  })
}

/** The gradients of a slot's parameters as one tensor of its dims; zeros where the loss does not depend on one. */
export function gradientOf(model: Model, { parameters, packed }: Slot, gradients: ReadonlyMap<Value, Value>): Value {
  const site: Site = { model, graph: model.graph }
  const found = parameters.map((parameter) => gradients.get(parameter.value) ?? zeros(site, parameter))
  if (!packed) return found[0]!
  const flat = found.map((gradient) =>
    emit(site, 'Reshape', [gradient, addInitializer(model, model.graph, 'flat', int64([1], [-1]))]),
  )
  return emit(site, 'Concat', flat, { attributes: { axis: { kind: 'int', value: 0 } } })
}

function zeros({ model, graph }: Site, { shape }: Parameter): Value {
  const bytes = new Uint8Array(4 * elementCount(shape))
  return addInitializer(model, graph, 'zeros', { dtype: 'float32', shape, data: bytes })
}

/** A float32 input of the graph. */
export function addInput(model: Model, name: string, dims: readonly number[]): Value {
  const value = new Value(freshName(model, name), 'float32', dims)
  model.graph.inputs.push(value)
  return value
}

/** The slot's numbers, laid out from those of its parameters. */
export function packSlot(slot: Slot, numbersOf: (parameter: Parameter) => Float32Array): Float32Array {
  const packed = new Float32Array(elementCount(slot.dims))
  let at = 0
  for (const parameter of slot.parameters) {
    packed.set(numbersOf(parameter), at)
    at += elementCount(parameter.shape)
  }
  return packed
}

/** The numbers of every parameter by key, copied out of the slots. */
export function unpackSlots(slots: readonly Slot[], numbers: readonly Float32Array[]): Map<string, Float32Array> {
  const found = new Map<string, Float32Array>()
  slots.forEach(({ parameters }, i) => {
    let at = 0
    for (const { key, shape } of parameters) {
      const count = elementCount(shape)
      found.set(key, numbers[i]!.slice(at, at + count))
      at += count
    }
  })
  return found
}
