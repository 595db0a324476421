/** Whether the inputs that the job fixes exist and can have these values. */
import type { Port } from '../../models/model.ts'
import type { Subject, Violation } from './violation.ts'

export function valuesOfInputs({ request, model }: Subject): Violation[] {
  if (!model) return []
  const inputs = new Map(model.inputs.map((input) => [input.name, input]))
  return Object.entries(request.input_values ?? {}).flatMap(([name, value]) => {
    const input = inputs.get(name)
    const detail = input ? misfit(input, [value].flat().length) : `the model has no input ${name}`
    return detail ? [{ pointer: `/input_values/${name}`, code: 'invalid_request', detail }] : []
  })
}

function misfit({ name, shape }: Port, count: number): string | null {
  const fixed = (shape ?? []).filter((dim) => typeof dim === 'number')
  const wanted = fixed.reduce((product, dim) => product * dim, 1)
  const isFree = !shape || fixed.length < shape.length
  if (isFree ? count % wanted === 0 : count === wanted) return null
  return `input ${name} is [${shape?.map((dim) => dim ?? '?').join(', ')}], which ${count} numbers do not fill`
}
