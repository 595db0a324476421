/** The runner's protocol, both ends: the spec on its standard input, messages on file descriptor 3, and the file that asks it to end early. */
import { z } from 'zod'
import { Rung } from './auto.ts'
import { DatasetSpec, Recipe } from './recipe.ts'

/** One of two parts into which a data set is divided, the same ones for the same seed: what is held out judges. */
export const DataPart = z.enum(['held_out', 'others'])
export type DataPart = z.infer<typeof DataPart>
/** smaller data sets have no parts */
export const LEAST_WITH_PARTS = 10

const DataFile = z.strictObject({ path: z.string(), spec: DatasetSpec, part: DataPart.optional() })

/** What the supervisor writes to the runner's standard input. Paths are relative to the runner's working directory. */
export const RunnerSpec = z.strictObject({
  recipe: Recipe,
  model: z.string(),
  calibration: DataFile.optional(),
  training: DataFile.optional(),
  /** where training writes its state, and finds it again when an earlier attempt was interrupted */
  checkpoint: z.string().optional(),
  /** what the process may use; a training that cannot fit is refused */
  memory_bytes: z.number().int().positive().optional(),
  /** how long the process may run; a search ends early enough to package what it found */
  max_seconds: z.number().positive().optional(),
  evaluation: DataFile.optional(),
  /** rungs that an interrupted attempt of the method auto has climbed; the best of them lies in BEST_DIRECTORY */
  climbed: z.array(Rung).optional(),
  /** whether the scores of the samples that judge are wanted as a file, for tests in pairs */
  scores: z.boolean().optional(),
  output: z.string(),
  threads: z.number().int().positive(),
})
export type RunnerSpec = z.infer<typeof RunnerSpec>

export const PHASES = [
  'preparing',
  'planning',
  'calibrating',
  'training',
  'quantizing',
  'verifying',
  'measuring',
  'packaging',
] as const
export type Phase = (typeof PHASES)[number]

/** A file of this name in the runner's directory asks search and training to end, and to package the best so far. */
export const STOP_FILE = 'stop'

/** Where, in the runner's directory, the method auto keeps the best artifact so far, complete at every moment in which it is told of. */
export const BEST_DIRECTORY = 'best'

/** What a runner that is asked for scores writes beside the artifact. */
export const SCORES_FILE = 'scores.json'

const text = (max: number) => z.string().transform((value) => value.slice(0, max))
const count = z.number().int().nonnegative()

/** No directory, no leading dot. */
const FileName = z.string().regex(/^[A-Za-z0-9_][\w.-]{0,99}$/)
const ContentType = z.string().regex(/^[\w.+-]{1,60}\/[\w.+-]{1,60}(; ?charset=[\w-]{1,20})?$/)

/** One line of JSON each on the runner's file descriptor 3, checked because the runner works on hostile input. */
export const RunnerMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('progress'),
    phase: z.enum(PHASES),
    fraction: z.number().min(0).max(1),
    step: count,
    total_steps: count,
    message: text(500),
  }),
  z.object({
    type: z.literal('training'),
    step: count,
    total_steps: count,
    epoch: z.number(),
    loss: z.number(),
    learning_rate: z.number(),
    samples_per_second: z.number(),
    seconds_left: z.number(),
  }),
  // the state of training lies, complete, at `path`
  z.object({ type: z.literal('checkpoint'), path: text(200), step: count }),
  // a rung of the method auto has ended; the best so far lies in BEST_DIRECTORY
  z.object({ type: z.literal('rung'), rung: Rung, best: z.boolean() }),
  z.object({ type: z.literal('warning'), code: text(100), detail: text(2000) }),
  z.object({
    type: z.literal('result'),
    files: z.array(z.object({ name: FileName, content_type: ContentType })).max(32),
  }),
  z.object({
    type: z.literal('error'),
    code: text(100),
    stage: text(100),
    detail: text(4000),
    param: text(500).optional(),
    hint: text(1000).optional(),
  }),
])
export type RunnerMessage = z.infer<typeof RunnerMessage>
export type OutputFile = Extract<RunnerMessage, { type: 'result' }>['files'][number]
