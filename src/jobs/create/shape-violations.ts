/** Whether the job fixes the shapes that its target compiles for. */
import type { Port } from '../../models/model.ts'
import type { Subject, Violation } from './violation.ts'

/** Shapes must be of inputs and fit them; where the target compiles, no dimension but the first may stay free. */
export function shapesOfTarget({ request, target, model }: Subject): Violation[] {
  if (!model) return []
  const shapes = request.input_shapes ?? {}
  const names = new Set(model.inputs.map(({ name }) => name))
  const strangers = Object.keys(shapes).filter((name) => !names.has(name))
  const compiles = target.kind === 'integer' && target.shapes === 'static'
  const known = symbolsOf(model.inputs, shapes)
  return [
    ...strangers.map((name) => violation(name, `the model has no input ${name}`)),
    ...model.inputs.flatMap((input) => contradiction(input, shapes[input.name])),
    ...(compiles ? model.inputs.flatMap((input) => freedom(input, shapes[input.name], known)) : []),
  ]
}

const violation = (name: string, detail: string): Violation => ({
  pointer: `/input_shapes/${name}`,
  code: 'invalid_request',
  detail,
})

const show = (shape: readonly (number | string | null)[]): string => `[${shape.map((dim) => dim ?? '?').join(', ')}]`

function contradiction({ name, shape }: Port, wished: readonly number[] | undefined): Violation[] {
  if (!wished || !shape) return []
  const fits = shape.length === wished.length && shape.every((dim, i) => typeof dim !== 'number' || dim === wished[i])
  return fits ? [] : [violation(name, `input ${name} is ${show(shape)}, not ${show(wished)}`)]
}

/** Symbols that the wished shapes give a number. */
const symbolsOf = (inputs: readonly Port[], shapes: Readonly<Record<string, readonly number[]>>): Set<string> =>
  new Set(
    inputs.flatMap(({ name, shape }) =>
      shapes[name] ? (shape ?? []).filter((dim): dim is string => typeof dim === 'string') : [],
    ),
  )

function freedom(
  { name, shape }: Port,
  wished: readonly number[] | undefined,
  known: ReadonlySet<string>,
): Violation[] {
  const isFree = (dim: number | string | null) =>
    typeof dim !== 'number' && !(typeof dim === 'string' && known.has(dim))
  if (wished || (shape && !shape.slice(1).some(isFree))) return []
  const detail = `input ${name} is ${shape ? show(shape) : 'of unknown shape'}, but the target compiles for fixed shapes: name one in input_shapes`
  return [violation(name, detail)]
}
