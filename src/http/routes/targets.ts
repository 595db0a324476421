/** /v1/targets: the hardware that models can be quantized for. */
import { z } from 'zod'
import { TARGETS } from '../../engine/targets/index.ts'
import { FewbitError } from '../../shared/errors.ts'
import { endpoint } from '../endpoint.ts'
import { answer } from '../shapes.ts'

export const Target = z
  .looseObject({ id: z.string(), title: z.string(), description: z.string() })
  .describe('a hardware profile, whole: dtypes, granularity, zero-point and scale rules, operators')

export const TargetList = z.object({ object: z.literal('list'), data: z.array(Target), has_more: z.literal(false) })

export const list = endpoint(
  {
    operationId: 'listTargets',
    tags: ['targets'],
    summary: 'List targets',
    description: 'All hardware profiles.',
    response: { 200: answer('All targets', TargetList) },
  },
  () => ({ object: 'list', data: Object.values(TARGETS), has_more: false }),
)

export const get = endpoint(
  {
    operationId: 'getTarget',
    tags: ['targets'],
    summary: 'Get a target',
    description: 'One hardware profile.',
    params: z.object({ id: z.string().describe('name of the target') }),
    response: { 200: answer('The target', Target) },
    'x-errors': ['not_found'],
  },
  ({ params }) => {
    const target = Object.values(TARGETS).find(({ id }) => id === params.id)
    if (!target) throw new FewbitError('not_found', `no target ${params.id}`)
    return target
  },
)
