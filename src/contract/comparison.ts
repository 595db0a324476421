/** What a comparison of methods says: a table with one row per method and target, and a recommendation whose numbers all stand in the table. */
import { z } from 'zod'
import { Goals } from './goals.ts'
import { MEASURED_ON } from './measured-on.ts'
import { METHOD_NAMES, METRIC_NAMES } from './recipe.ts'

const nonNegative = z.number().int().nonnegative()
const interval = z.array(z.number()).length(2)

/** What the samples of a comparison are judged by. */
export const QUALITIES = ['accuracy', 'agreement', 'sqnr_db'] as const
export type Quality = (typeof QUALITIES)[number]

const PairedTest = z.object({
  row: nonNegative.describe('index of the row that this one is compared with'),
  gain: z
    .number()
    .describe(
      'what this row has more than the other one, over the same samples: a fraction, or decibels; negative is a loss',
    ),
  ci95: interval.nullable().describe('95 % interval of the gain for other samples like these; null for fewer than 5'),
  p_value: z.number().describe('probability of a difference as large as this one if there were none'),
  test: z
    .enum(['mcnemar', 'sign_flip'])
    .describe(
      'mcnemar: exact, for samples that are right or wrong; sign_flip: a seeded randomization of paired differences',
    ),
  samples: nonNegative,
  outcome: z
    .enum(['better', 'worse', 'equal', 'unclear'])
    .describe(
      'better, worse: significant at 5 %; equal: the whole interval lies within the margin; unclear: too few samples to tell',
    ),
  samples_needed: nonNegative
    .nullable()
    .describe(
      'about so many samples like these would tell a difference of the margin; null where the outcome is clear or nothing can be said',
    ),
  cost_ratio: z.number().nullable().describe('seconds that this row took ÷ seconds of the other one'),
})
export type PairedTest = z.infer<typeof PairedTest>

const ComparisonRow = z.object({
  name: z.string().describe('unique for its target'),
  target: z.string(),
  method: z.enum(['float', ...METHOD_NAMES]),
  status: z.enum(['queued', 'running', 'succeeded', 'failed', 'canceled']),
  pareto: z
    .boolean()
    .describe('no other row is at least as good in quality, speed and size, and better in one of them'),
  meets_goals: z.boolean().nullable().describe('null without goals, and where one of them could not be checked'),
  accuracy: z
    .object({
      metric: z.enum(METRIC_NAMES),
      value: z.number(),
      drop: z.number().describe('what is lost against the float model; positive is a loss for every metric'),
      ci95: interval.describe('of the drop'),
      samples: nonNegative,
    })
    .nullable(),
  fidelity: z
    .object({
      sqnr_db: z.number(),
      cosine: z.number(),
      agreement: z.number().nullable(),
      samples: nonNegative,
      measured_on: z.enum(MEASURED_ON),
    })
    .nullable(),
  size_bytes: nonNegative.nullable(),
  size_ratio: z.number().nullable().describe('quantized ÷ float'),
  latency_ms: z
    .object({
      p50: z.number(),
      speedup: z.number(),
      on_target: z
        .boolean()
        .describe('whether the machine that measured is what the target stands for; only then it counts'),
    })
    .nullable(),
  cost: z
    .object({
      seconds: z.number(),
      peak_memory_bytes: nonNegative.nullable().describe('largest resident size of the process that was seen'),
    })
    .nullable(),
  conformance: z.object({ ok: z.boolean(), violations: nonNegative }).nullable(),
  tests: z.object({
    float: PairedTest.nullable().describe('against the float model'),
    cheaper: PairedTest.nullable().describe('against the next cheaper method of the same target'),
    post_training: PairedTest.nullable().describe('of a trained row: against the best one without training'),
  }),
  warnings: z.array(z.string()).describe('codes of the warnings'),
  error: z.object({ code: z.string(), detail: z.string(), hint: z.string().nullable() }).nullable(),
})
export type ComparisonRow = z.infer<typeof ComparisonRow>

/** What a row says of itself. */
export const RowFacts = ComparisonRow.omit({ pareto: true, meets_goals: true, tests: true })

const VERDICTS = ['ptq_is_enough', 'qat_pays', 'stay_float', 'undecided'] as const

const Verdict = z.object({
  target: z.string(),
  row: nonNegative.nullable().describe('index of the recommended row'),
  verdict: z.enum(VERDICTS),
  text: z.string(),
  evidence: z
    .array(z.object({ claim: z.string(), pointer: z.string() }))
    .describe('where each number of a sentence stands in this document'),
})
export type Verdict = z.infer<typeof Verdict>

export const Comparison = z.object({
  object: z.literal('comparison'),
  quality: z
    .enum(QUALITIES)
    .describe('accuracy: against labels; agreement: with the float model; sqnr_db: of outputs that have no classes'),
  margin: z
    .number()
    .describe('differences up to this count as none: the goal of the accuracy, or a point; of sqnr_db a decibel'),
  goals: Goals,
  rows: z.array(ComparisonRow).describe('the float model first'),
  recommendation: Verdict.nullable().describe('of the target that is served best; null where nothing ran'),
  verdicts: z.array(Verdict).describe('one for each target'),
})
export type Comparison = z.infer<typeof Comparison>
