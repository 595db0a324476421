/** Whether a data set can feed a model: names, dtypes and shapes, before anything runs. */
import type { DatasetRecord } from '../../datasets/dataset.ts'
import type { ModelRecord, Port } from '../../models/model.ts'
import { someOf } from '../../shared/some.ts'

type Stored = DatasetRecord['arrays'][number]
type Kind = 'float' | 'integer' | 'bool' | 'other'

const KINDS: readonly (readonly [RegExp, Kind])[] = [
  [/^b?float/, 'float'],
  [/^u?int/, 'integer'],
  [/^bool/, 'bool'],
]

/** what may be converted into what: input ← array */
const FEEDS: Record<Kind, readonly Kind[]> = {
  float: ['float', 'integer'],
  integer: ['integer'],
  bool: ['bool'],
  other: [],
}

const kindOf = (dtype: string): Kind => KINDS.find(([pattern]) => pattern.test(dtype))?.[1] ?? 'other'

/** One sentence for each problem; empty = it fits. */
export function fitProblems(model: ModelRecord, dataset: DatasetRecord): string[] {
  const arrays = new Map(dataset.arrays.map((array) => [array.name, array]))
  const names = someOf([...arrays.keys()])
  const samples = dataset.samples < 1 ? ['the data set has no samples'] : []
  return [...samples, ...model.inputs.flatMap((input) => inputProblems(input, arrays, names))]
}

function inputProblems(input: Port, arrays: ReadonlyMap<string, Stored>, names: string): string[] {
  const array = arrays.get(input.name)
  if (!array) return [`input ${input.name} has no array; there are ${names}`]
  return [...dtypeProblems(input, array), ...shapeProblems(input, array)]
}

function dtypeProblems(input: Port, array: Stored): string[] {
  if (FEEDS[kindOf(input.dtype)].includes(kindOf(array.dtype))) return []
  return [`input ${input.name} is ${input.dtype}, the array is ${array.dtype}`]
}

/** Same rank: the first axis counts samples. One axis more: each sample is a complete feed. */
function shapeProblems({ name, shape }: Port, array: Stored): string[] {
  if (!shape) return []
  const feed = feedOf(shape, array.shape)
  if (!feed) return [`input ${name} is ${show(shape)}, the array is ${show(array.shape)}`]
  const wrong = feed.some(([expected, given]) => typeof expected === 'number' && expected !== given)
  return wrong ? [`input ${name} is ${show(shape)}, a sample of the array is ${show(array.shape.slice(1))}`] : []
}

/** Pairs of [dimension of the input, dimension of the array], or null when the ranks do not fit. */
function feedOf(input: NonNullable<Port['shape']>, array: readonly number[]) {
  const sample = array.slice(1)
  const expected = array.length === input.length ? input.slice(1) : input
  return expected.length === sample.length ? expected.map((dim, i) => [dim, sample[i]] as const) : null
}

const show = (shape: readonly (number | string | null)[]): string => `[${shape.map((dim) => dim ?? '?').join(', ')}]`
