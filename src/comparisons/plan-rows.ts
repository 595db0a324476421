/** From a request to the rows of a comparison, and from a row to the request of its job. */
import { factsOf } from '../contract/method-facts.ts'
import { LEAST_WITH_PARTS } from '../contract/runner-protocol.ts'
import type { DatasetRecord } from '../datasets/dataset.ts'
import { getDataset } from '../datasets/get-dataset.ts'
import type { Deps } from '../deps.ts'
import { candidatesFor } from '../engine/compare/methods.ts'
import { type JobRequest, JobRequest as Request } from '../jobs/record/job.ts'
import { FewbitError } from '../shared/errors.ts'
import { type ComparisonRecord, type ComparisonRequest, MOST_ROWS, type RowOrder } from './comparison.ts'

export type Plan = Pick<ComparisonRecord, 'shared' | 'targets'> & { rows: Omit<RowOrder, 'job_id'>[] }

/** Throws invalid_request, and target_method_mismatch where no target supports a method that is named. */
export async function planRows(deps: Deps, owner: string, request: ComparisonRequest): Promise<Plan> {
  const found = candidatesFor(request)
  if (found.length === 0 || found.length > MOST_ROWS) throw badCount(found.length)
  const targets = [...new Set(found.map(({ target }) => target))]
  const rows = found.map(({ name, target, method }) => ({
    name,
    target: targets.indexOf(target),
    method,
    error: null,
    told: false,
  }))
  return { targets, rows, shared: await sharedBy(deps, owner, request) }
}

/** What a job of the row is asked for; only what trains is given training data. */
export function requestOf(
  { shared, targets }: Pick<ComparisonRecord, 'shared' | 'targets'>,
  { target, method }: Pick<RowOrder, 'target' | 'method'>,
): JobRequest {
  const { training, ...rest } = shared
  return Request.parse({
    ...rest,
    target: targets[target],
    method,
    ...(training && (factsOf(method).samples === 'trains' || factsOf(method).climbs) && { training }),
  })
}

async function sharedBy(deps: Deps, owner: string, request: ComparisonRequest): Promise<ComparisonRecord['shared']> {
  const { targets: _, methods: __, goals: ___, webhook: ____, metadata: _____, ...rest } = request
  return { ...rest, deduplicate: false, ...(await judgingData(deps, owner, request)) }
}

/** Methods are compared on the same samples: those that are named, or a part of a data set that then does nothing else. */
async function judgingData(deps: Deps, owner: string, { calibration, training, evaluation }: ComparisonRequest) {
  const source = calibration ?? training
  if (evaluation || !source || source.part) return {}
  const dataset = await getDataset(deps, owner, source.dataset_id).catch(nullIfMissing)
  if (!dataset || dataset.samples < LEAST_WITH_PARTS) return {}
  const withoutJudges = <T extends { dataset_id: string }>(use: T | undefined) =>
    use?.dataset_id === source.dataset_id ? { ...use, part: 'others' as const } : use
  return {
    calibration: withoutJudges(calibration),
    training: withoutJudges(training),
    evaluation: { dataset_id: source.dataset_id, part: 'held_out' as const },
  }
}

function nullIfMissing(error: unknown): DatasetRecord | null {
  if (error instanceof FewbitError && error.code === 'not_found') return null
  throw error
}

function badCount(count: number): FewbitError {
  if (count === 0)
    return new FewbitError('invalid_request', 'no method makes sense for these targets and data', {
      param: '/methods',
      hint: 'name methods, or give calibration data',
    })
  return new FewbitError('invalid_request', `these are ${count} rows; at most ${MOST_ROWS} are compared`, {
    param: '/methods',
    hint: 'name fewer methods or targets',
  })
}
