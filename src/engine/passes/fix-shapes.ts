/** Gives inputs the shapes that a compiler needs to know. */
import { FewbitError } from '../../shared/errors.ts'
import type { Dim, Model, Value } from '../ir/graph.ts'

type Shapes = Readonly<Record<string, readonly number[]>>

/**
 * Writes `shapes` into the model's inputs; with `all`, a free first dimension that is left becomes 1. Returns what was fixed without being
 * asked for. Throws invalid_request for a shape that contradicts the model and for a free dimension that nobody fixes.
 */
export function fixShapes(model: Model, shapes: Shapes, all: boolean): string[] {
  const { inputs } = model.graph
  const stranger = Object.keys(shapes).find((name) => !inputs.some((input) => input.name === name))
  if (stranger)
    throw refusal(stranger, `the model has no input "${stranger}": it has ${inputs.map(({ name }) => name).join(', ')}`)
  const symbols = new Map<string, number>()
  for (const input of inputs) {
    const shape = shapes[input.name]
    if (shape) fixOne(input, shape, symbols)
  }
  if (!all && symbols.size === 0) return []
  const fixed = all ? inputs.flatMap((input) => fixBatch(input, symbols)) : []
  for (const input of inputs) if (input.shape) input.shape = input.shape.map((dim) => known(dim, symbols))
  if (all) for (const input of inputs) refuseFree(input)
  // What is declared of the outputs was true of free inputs; ONNX Runtime finds out what is true now.
  for (const output of model.graph.outputs) output.shape = undefined
  return fixed
}

const known = (dim: Dim, symbols: ReadonlyMap<string, number>): Dim =>
  typeof dim === 'string' ? (symbols.get(dim) ?? dim) : dim

function fixOne(input: Value, shape: readonly number[], symbols: Map<string, number>): void {
  const declared = input.shape
  const fits =
    !declared ||
    (declared.length === shape.length && declared.every((dim, i) => typeof dim !== 'number' || dim === shape[i]))
  if (!fits)
    throw refusal(
      input.name,
      `input "${input.name}" is declared as [${declared.join(', ')}], not [${shape.join(', ')}]`,
    )
  declared?.forEach((dim, i) => {
    if (typeof dim === 'string') symbols.set(dim, shape[i]!)
  })
  input.shape = shape
}

function fixBatch(input: Value, symbols: Map<string, number>): string[] {
  const [first, ...others] = input.shape ?? []
  if (first === undefined || typeof first === 'number' || (first !== null && symbols.has(first))) return []
  if (first !== null) symbols.set(first, 1)
  input.shape = [1, ...others]
  return [`the free first dimension of input "${input.name}" became 1, because the target compiles for fixed shapes`]
}

function refuseFree({ name, shape }: Value): void {
  const dims = shape?.map((dim) => dim ?? '?')
  if (dims?.every((dim) => typeof dim === 'number')) return
  throw refusal(
    name,
    `input "${name}" has the shape [${dims?.join(', ') ?? 'unknown'}], but the target compiles for fixed shapes`,
  )
}

const refusal = (name: string, detail: string): FewbitError =>
  new FewbitError('invalid_request', detail, {
    param: `/input_shapes/${name}`,
    hint: 'name a shape for it in input_shapes, for example {"input_shapes": {"x": [1, 3, 224, 224]}}',
  })
