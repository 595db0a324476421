/** Which methods a comparison runs: what the caller names, or everything that makes sense for the targets and the data given. */
import { z } from 'zod'
import { factsOf } from '../../contract/method-facts.ts'
import { Method, Target, type TargetName } from '../../contract/recipe.ts'
import { FewbitError } from '../../shared/errors.ts'
import { nameOf, targetOf } from '../targets/index.ts'
import type { Candidate } from './candidate.ts'
import type { CompareOptions } from './options.ts'

/** What decides which methods are usual: targets, methods, and whether there are data. */
export interface Wanted extends Pick<CompareOptions, 'targets' | 'methods'> {
  calibration?: unknown
  training?: unknown
}

interface Usual {
  name: string
  method: z.input<typeof Method>
  /** what tells it from another one, where the target has it */
  granularity?: 'channel'
}

const PLAIN = { type: 'static', observer: 'minmax', bias_correction: false, equalize: false, smooth: false } as const

/** From what costs least to what costs most. */
const USUAL: readonly Usual[] = [
  { name: 'dynamic', method: { type: 'dynamic' } },
  { name: 'float16', method: { type: 'float16' } },
  { name: 'weights_4_bits', method: { type: 'weight_only', bits: 4 } },
  { name: 'static_per_tensor', method: { ...PLAIN, per_channel: false } },
  { name: 'static_per_channel', method: { ...PLAIN, per_channel: true }, granularity: 'channel' },
  { name: 'static_accuracy_steps', method: { type: 'static', adaround: 'auto' } },
  { name: 'static_refined', method: { type: 'static', refine: true } },
  { name: 'qat', method: { type: 'qat' } },
]

/** one of each kind of hardware that this machine can verify */
const USUAL_TARGETS: readonly TargetName[] = ['cpu-int8', 'cpu-int4', 'gpu-float16']

/** Throws invalid_request, and target_method_mismatch where no target supports a method that is named. */
export function candidatesFor(options: Wanted): Candidate[] {
  const targets = (options.targets ?? USUAL_TARGETS).map((target, i) => parsed(Target, target, `/targets/${i}`))
  const wished = options.methods ? named(options.methods) : null
  for (const [i, { name, method }] of (wished ?? []).entries())
    if (!targets.some((target) => supports(target, method))) throw mismatch(targets, name, i)
  return targets.flatMap((target) => {
    const own = (wished ?? usualFor(target, options)).filter(({ method }) => supports(target, method))
    return own.map(({ name, method }) => ({ name, target, method }))
  })
}

const supports = (target: Target, method: Method): boolean =>
  factsOf(method).climbs || targetOf(target).methods.some((name) => name === method.type)

function needsNoData(method: Method): boolean {
  const { samples, needsRanges } = factsOf(method)
  return !needsRanges && samples !== 'trains'
}

function usualFor(target: Target, { calibration, training }: Wanted): Omit<Candidate, 'target'>[] {
  const profile = targetOf(target)
  const perChannel = profile.kind === 'integer' && profile.weight.granularity === 'channel'
  const usual = USUAL.filter(({ granularity }) => granularity === undefined || perChannel)
  const own = usual.map(({ name, method }) => ({ name, method: Method.parse(method) }))
  const hasOthers = own.some(({ method }) => supports(target, method) && needsNoData(method))
  return own.filter(({ method }) => {
    const { samples, needsRanges } = factsOf(method)
    if (samples === 'trains') return training !== undefined || calibration !== undefined
    if (samples === 'refines') return calibration !== undefined
    // Ranges of made-up inputs say little: only where there is nothing else.
    return !needsRanges || calibration !== undefined || !hasOthers
  })
}

/** Methods that the caller names, numbered where a name comes again. */
function named(methods: NonNullable<CompareOptions['methods']>): Omit<Candidate, 'target'>[] {
  const seen = new Map<string, number>()
  return methods.map((given, i) => {
    const method = parsed(Method, typeof given === 'string' ? { type: given } : given, `/methods/${i}`)
    const count = (seen.get(method.type) ?? 0) + 1
    seen.set(method.type, count)
    return { name: count === 1 ? method.type : `${method.type}_${count}`, method }
  })
}

/** Throws invalid_request. */
export function parsed<T extends z.ZodType>(schema: T, value: unknown, pointer: string): z.output<T> {
  const found = schema.safeParse(value)
  if (found.success) return found.data
  const detail = z.prettifyError(found.error).replaceAll(/\n\s*/g, ' ')
  throw new FewbitError('invalid_request', detail, { param: pointer })
}

function mismatch(targets: readonly Target[], name: string, index: number): FewbitError {
  const known = [...new Set(targets.flatMap((target) => targetOf(target).methods))]
  return new FewbitError('target_method_mismatch', `${targets.map(nameOf).join(' and ')} do not support ${name}`, {
    param: `/methods/${index}`,
    hint: `use ${known.join(' or ')}, or name another target`,
  })
}
