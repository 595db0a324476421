/** What a method needs and does, for whoever serves it: one row per method, read by the service and by the stages of the engine. */
import type { Method, MethodName } from './recipe.ts'

/** What a method does with the samples of its data sets besides verifying. */
export type SampleUse = 'nothing' | 'calibrates' | 'calibrates with all' | 'refines' | 'trains'

export interface MethodFacts {
  samples: SampleUse
  /** whether ranges of activations are needed: without data they come from made-up inputs, and the user is warned */
  needsRanges: boolean
  /** made-up runs where the job has no calibration data: they give ranges, or show what overflows in half precision */
  syntheticRuns: number
  /** whether activations are quantized with parameters that the artifact holds */
  inIntegers: boolean
  activationBits: 8 | 16
  /** whether ranges of activations are read at run time, one from all samples of a run: a result depends on the others */
  rangesAtRunTime: boolean
  /** share of the allowed time after which a search ends; null: it starts the same way whenever it runs, and is asked to stop in time itself */
  searchShare: number | null
  /** seconds that a job may run where it names no limit */
  runtimeSeconds: number
  /** whether an interrupted job goes on from its last checkpoint */
  hasCheckpoint: boolean
  /** whether it tries other methods one after the other instead of quantizing itself */
  climbs: boolean
}

type MethodOf<Name extends MethodName> = Extract<Method, { type: Name }>

const HOUR = 3600

const USUAL: MethodFacts = {
  samples: 'calibrates',
  needsRanges: false,
  syntheticRuns: 0,
  inIntegers: false,
  activationBits: 8,
  rangesAtRunTime: false,
  searchShare: 1 / 2,
  runtimeSeconds: HOUR,
  hasCheckpoint: false,
  climbs: false,
}

const FACTS: { [Name in MethodName]: (method: MethodOf<Name>) => MethodFacts } = {
  static: ({ compat, refine, activation_bits }) => ({
    ...USUAL,
    samples: compat ? 'calibrates with all' : refine === false ? 'calibrates' : 'refines',
    needsRanges: true,
    syntheticRuns: 16,
    inIntegers: true,
    activationBits: activation_bits,
  }),
  dynamic: () => ({ ...USUAL, samples: 'nothing', rangesAtRunTime: true }),
  weight_only: () => USUAL,
  float16: ({ compat }) => ({ ...USUAL, samples: compat ? 'nothing' : 'calibrates', syntheticRuns: 2 }),
  qat: () => ({
    ...USUAL,
    samples: 'trains',
    inIntegers: true,
    searchShare: null,
    runtimeSeconds: 6 * HOUR,
    hasCheckpoint: true,
  }),
  auto: () => ({ ...USUAL, searchShare: null, climbs: true }),
}

export const factsOf = (method: Method): MethodFacts => (FACTS[method.type] as (method: Method) => MethodFacts)(method)

/** Whether stopping a job early leaves something worth keeping: it trains, refines blocks, or tries methods. */
export const keepsBest = (method: Method): boolean => {
  const { samples, climbs } = factsOf(method)
  return climbs || samples === 'trains' || samples === 'refines'
}
