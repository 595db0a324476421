/** /metrics: the process and the service in figures, as Prometheus reads them. */
import { z } from 'zod'
import { LOCAL_OWNER } from '../../deps.ts'
import { FewbitError } from '../../shared/errors.ts'
import { endpoint } from '../endpoint.ts'

export const get = endpoint(
  {
    operationId: 'getMetrics',
    'x-scope': 'admin',
    tags: ['health'],
    summary: 'Get the metrics',
    description:
      'In the text format of Prometheus. Figures are of this process, `fewbit_jobs` and `fewbit_queue_entries` of the service.',
    response: { 200: { description: 'The metrics', content: { 'text/plain': { schema: z.string() } } } },
  },
  async ({ deps: { metrics }, owner, reply }) => {
    if (owner !== LOCAL_OWNER)
      throw new FewbitError(
        'insufficient_scope',
        'the metrics are of all owners: only a key of the operator reads them',
      )
    const text = await metrics.registry.metrics()
    return reply.type(metrics.registry.contentType).send(text)
  },
)
