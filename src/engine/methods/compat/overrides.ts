/** Whether the tensors that are overridden exist, and can have what is wished for them. */
import { FewbitError } from '../../../shared/errors.ts'
import type { Overrides, TensorOverride } from '../../compat/overrides.ts'
import type { Graph, Value } from '../../ir/graph.ts'
import { QTYPES, type QType } from '../../quant/math.ts'

/** Throws invalid_request that says which tensor and what to do. */
export function checkOverrides(graph: Graph, overrides: Overrides, activationType: QType): void {
  const values = [...graph.inputs, ...graph.initializers, ...[...graph.nodes].flatMap(({ outputs }) => outputs)]
  const byName = new Map(values.flatMap((value) => (value ? [[value.name, value]] : [])))
  for (const [name, channels] of Object.entries(overrides)) {
    const value = byName.get(name)
    const problem = value
      ? (layoutProblem(value, channels) ??
        conversionProblem(value, channels[0], activationType) ??
        typeProblem(channels, activationType))
      : 'is not in the prepared model: names are case-sensitive, and operators on constants are computed in advance'
    if (problem)
      throw new FewbitError('invalid_request', `TensorQuantOverrides: tensor "${name}" ${problem}.`, { stage: 'plan' })
  }
}

type Problem = string | undefined

function layoutProblem({ tensor }: Value, channels: readonly TensorOverride[]): Problem {
  const axis = channels[0]?.axis
  if (axis === undefined) return channels.length > 1 ? 'has several entries: the first has to say the axis' : undefined
  if (!tensor) return 'is computed and has one scale: leave the axis out'
  const length = tensor.shape.at(axis)
  if (length === undefined) return `has no axis ${axis}, its shape is [${tensor.shape}]`
  const fits = channels.length === 1 || channels.length === length
  return fits ? undefined : `has ${channels.length} entries for ${length} channels: give one, or one for each`
}

function conversionProblem(value: Value, first: TensorOverride | undefined, activationType: QType): Problem {
  const convert = first?.convert
  if (!convert) return undefined
  if (value.tensor) return 'is a constant: only computed values are converted'
  if ((convert.qtype ?? activationType) === (first.qtype ?? activationType))
    return 'is converted to the type that it has'
  const readers = new Set([...value.consumers.keys()].map(({ name }) => name))
  const stranger = convert.readers?.find((name) => !readers.has(name))
  return stranger === undefined
    ? undefined
    : `is not read by a node "${stranger}"; its readers: ${[...readers].join(', ')}`
}

function typeProblem(channels: readonly TensorOverride[], activationType: QType): Problem {
  const own = channels[0]?.qtype
  if (channels.some(({ qtype }) => qtype !== undefined && qtype !== own)) return 'has channels of different types'
  const [low, high] = QTYPES[own ?? activationType].full
  const outside = channels.find(({ zeroPoint = 0 }) => own !== undefined && (zeroPoint < low || zeroPoint > high))
  return outside && `has the zero point ${outside.zeroPoint} outside of ${own}, ${low} to ${high}`
}
