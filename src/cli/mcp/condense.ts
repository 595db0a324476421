/** Reports as short as an agent can use them: figures and warnings whole, lists by their beginning and how long they are. */

const MOST = 30

type Json = Record<string, unknown>

/** `name` with its first items, and `name_count` with how many there are. */
export const firstOf = (name: string, list: unknown): Json =>
  Array.isArray(list) && list.length > MOST
    ? { [name]: list.slice(0, MOST), [`${name}_count`]: list.length }
    : { [name]: list }

/** What `fewbit quantize --json` printed, without what read_report reads. */
export function condensedReport({ files, missed, report }: Json): Json {
  if (!isObject(report)) return { files, missed }
  const { target, method, metrics, warnings } = report
  return {
    files,
    missed_goals: missed,
    target,
    method,
    metrics: condensedMetrics(metrics),
    ...firstOf('warnings', warnings),
  }
}

function condensedMetrics(metrics: unknown): unknown {
  if (!isObject(metrics)) return metrics
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, shortened(value)]))
}

/** What `fewbit compare --json` printed. */
export function condensedComparison({ output, comparison }: Json): Json {
  return { output, comparison: shortened(comparison) }
}

/** Any JSON value with its long lists cut. */
export function shortened(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, MOST).map(shortened)
  if (!isObject(value)) return value
  return Object.assign(
    {},
    ...Object.entries(value).map(([name, one]) =>
      Array.isArray(one) ? firstOf(name, shortenedAll(one)) : { [name]: shortened(one) },
    ),
  )
}

const shortenedAll = (list: unknown[]): unknown[] => list.map((one, i) => (i < MOST ? shortened(one) : one))

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
