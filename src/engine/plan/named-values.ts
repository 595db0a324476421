/** The values of a model's main graph by name. */
import { FewbitError } from '../../shared/errors.ts'
import type { Model, Value } from '../ir/graph.ts'

export function valuesByName({ graph }: Model): Map<string, Value> {
  const produced = [...graph.nodes].flatMap((node) => [...node.outputs])
  return new Map([...graph.inputs, ...produced].flatMap((value) => (value ? [[value.name, value] as const] : [])))
}

/** Throws quantization_failed when there is none. */
export function valueNamed(values: ReadonlyMap<string, Value>, name: string): Value {
  const value = values.get(name)
  if (value) return value
  throw new FewbitError('quantization_failed', `value "${name}" is not in the graph`, { stage: 'calibrate' })
}
