/** By which properties jobs can be found: a sorted set of ids for each value that some job of an owner has. */
import type { Deps } from '../../deps.ts'
import { nameOf } from '../../engine/targets/index.ts'
import type { JobRecord, SentRequest } from './job.ts'
import { indexKey } from './keys.ts'

export const INDEXES = {
  status: ({ status }: JobRecord): string => status,
  model_id: ({ request }: JobRecord): string => request.model_id,
  target: ({ options }: JobRecord): string => nameOf(options.target),
  method: ({ request }: JobRecord): string => request.method?.type ?? 'auto',
} as const

export type IndexName = keyof typeof INDEXES
export const INDEX_NAMES = Object.keys(INDEXES) as IndexName[]

type Command = (string | number)[]

/** From where `before` was found to where `record` is. */
export function indexCommands(deps: Pick<Deps, 'config'>, record: JobRecord, before: JobRecord | null): Command[] {
  return INDEX_NAMES.flatMap((name) => {
    const [value, old] = [INDEXES[name](record), before && INDEXES[name](before)]
    if (value === old) return []
    const keyOf = (found: string) => indexKey(deps, record.owner, name, found)
    return [...(old === null ? [] : [['ZREM', keyOf(old), record.id]]), ['ZADD', keyOf(value), 0, record.id]]
  })
}

/** Models and data sets that a request names, with the pointers to them. */
export function needsOf({
  model_id,
  calibration,
  training,
  evaluation,
}: SentRequest): { id: string; pointer: string }[] {
  const datasets = { calibration, training, evaluation }
  const named = Object.entries(datasets).flatMap(([name, use]) =>
    use ? [{ id: use.dataset_id, pointer: `/${name}/dataset_id` }] : [],
  )
  return [{ id: model_id, pointer: '/model_id' }, ...named]
}
