/** The tools of `fewbit mcp`: the verbs of the command, with words for those who have not read its documentation. */
import { z } from 'zod'
import { METHOD_NAMES, METRIC_NAMES, TARGET_NAMES } from '../../contract/recipe.ts'
import type { Said } from '../verb.ts'
import { condensedComparison, condensedReport, firstOf } from './condense.ts'

export type PathOf = (path: string) => string

/** `input` as an object of zod; `args` is the command line; `show` is what of its answer an agent should read. */
export interface Tool<Input extends z.ZodType = z.ZodType> {
  title: string
  description: string
  input: Input
  writes: boolean
  args: (input: z.infer<Input>, pathOf: PathOf) => string[]
  show: (said: Said, input: z.infer<Input>) => unknown
}

const tool = <Input extends z.ZodType>(one: Tool<Input>): Tool => one as unknown as Tool

const Path = z.string().min(1).max(4096)
const model = Path.describe('path of the .onnx file; its external data lies beside it')
const data = (what: string) =>
  Path.optional().describe(
    `path of an .npz with one array per input of the model, first axis = sample, optionally an array labels: ${what}`,
  )
const target = z.enum(TARGET_NAMES)
const Value = z.union([z.string().max(200), z.number(), z.boolean()])

const Data = {
  calibration: data('ranges are read from it; without it static makes its inputs up'),
  evaluation: data('accuracy and fidelity are measured on it'),
  training: data('the method qat trains on it'),
  metric: z.enum(METRIC_NAMES).optional().describe('of the accuracy; needs evaluation'),
}
const Goals = {
  max_accuracy_drop: z.number().optional().describe('as a fraction: 0.01 is one point; needs evaluation'),
  min_speedup: z.number().positive().optional().describe('times the float model'),
}
const Place = {
  output: Path.optional().describe('directory for the results; named after the model by default'),
  overwrite: z.boolean().default(false).describe('replace the files of an earlier run there'),
}

export const TOOLS: Record<string, Tool> = {
  inspect_model: tool({
    title: 'Inspect a model',
    description:
      'Inputs, outputs, operators, parameters and the largest constants of an ONNX model, and what targets would make of it: how many nodes get fewer bits, which weights stay large and why. Runs nothing and needs no data.',
    input: z.object({ model, targets: z.array(target).max(TARGET_NAMES.length).default([]) }),
    writes: false,
    args: (input, pathOf) => ['inspect', pathOf(input.model), ...input.targets.flatMap((name) => ['--target', name])],
    show: ({ found }) => found,
  }),
  list_targets: tool({
    title: 'List hardware targets',
    description: 'The hardware that models can be quantized for, with the methods of each.',
    input: z.object({}),
    writes: false,
    args: () => ['targets'],
    show: ({ found }) => ({
      targets: listOf(found.targets).map(({ id, title, methods }) => ({ id, title, methods })),
    }),
  }),
  check_model: tool({
    title: 'Check a quantized model',
    description:
      'Whether a quantized model, made by any tool, obeys a target: every node that breaks a rule, and where the rule comes from.',
    input: z.object({ model, target }),
    writes: false,
    args: (input, pathOf) => ['check', pathOf(input.model), '--target', input.target],
    show: ({ found }) => ({ ...found, ...firstOf('violations', found.violations) }),
  }),
  quantize_model: tool({
    title: 'Quantize a model',
    description:
      'Makes a smaller and faster model for a target, runs it beside the float model, and writes model.onnx, report.json, report.html and plan.json. Seconds to minutes. Answers with size, fidelity, accuracy, speed and warnings; read_report tells more.',
    input: z.object({
      model,
      target: target.default('cpu-int8'),
      method: z.enum(METHOD_NAMES).optional().describe("the target's usual one by default; dynamic needs no data"),
      options: z
        .record(z.string().regex(/^\w{1,64}$/), Value)
        .default({})
        .describe('of the method, as in {"bits": 4}'),
      exclude_operators: z
        .array(z.string().regex(/^[\w.:]{1,100}$/))
        .max(100)
        .default([])
        .describe('that stay float'),
      ...Data,
      ...Goals,
      max_seconds: z.number().positive().optional().describe('ends early with the best so far'),
      seed: z.number().int().nonnegative().optional(),
      ...Place,
    }),
    writes: true,
    args: (input, pathOf) => [
      'quantize',
      pathOf(input.model),
      ...flags({ target: input.target, method: input.method, 'max-seconds': input.max_seconds, seed: input.seed }),
      ...Object.entries(input.options).map(([name, value]) => `--set=${name}=${value}`),
      ...input.exclude_operators.map((name) => `--exclude-op=${name}`),
      ...dataFlags(input, pathOf),
      ...goalFlags(input),
      ...placeFlags(input, pathOf),
    ],
    show: ({ found }) => condensedReport(found),
  }),
  compare_methods: tool({
    title: 'Compare methods',
    description:
      'Quantizes a model by several methods for several targets on the same samples and says which to take, and whether training (QAT) pays: a table with intervals, cost and the Pareto front, and a verdict with its evidence. Minutes.',
    input: z.object({
      model,
      targets: z.array(target).max(TARGET_NAMES.length).default([]).describe('processors and GPUs by default'),
      methods: z.array(z.enum(METHOD_NAMES)).max(20).default([]).describe('all that make sense by default'),
      ...Data,
      ...Goals,
      max_seconds: z.number().positive().optional().describe('that each method may take'),
      ...Place,
    }),
    writes: true,
    args: (input, pathOf) => [
      'compare',
      pathOf(input.model),
      ...input.targets.map((name) => `--target=${name}`),
      ...input.methods.map((name) => `--method=${name}`),
      ...flags({ 'max-seconds': input.max_seconds }),
      ...dataFlags(input, pathOf),
      ...goalFlags(input),
      ...placeFlags(input, pathOf),
    ],
    show: ({ found }) => condensedComparison(found),
  }),
}

type Flags = Record<string, string | number | undefined>

const flags = (values: Flags): string[] =>
  Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]))

type Named = Partial<Record<'calibration' | 'evaluation' | 'training' | 'metric' | 'output', string>>

function dataFlags({ calibration, evaluation, training, metric }: Named, pathOf: PathOf): string[] {
  const at = (path: string | undefined) => path && pathOf(path)
  return flags({ calibration: at(calibration), evaluation: at(evaluation), training: at(training), metric })
}

const goalFlags = (goals: { max_accuracy_drop?: number | undefined; min_speedup?: number | undefined }): string[] =>
  flags({ 'max-accuracy-drop': goals.max_accuracy_drop, 'min-speedup': goals.min_speedup })

/** Without an output the command takes a name in its directory, which is the root. */
const placeFlags = ({ output, overwrite }: { output?: string | undefined; overwrite: boolean }, pathOf: PathOf) => [
  ...flags({ output: output && pathOf(output) }),
  ...(overwrite ? ['--force'] : []),
]

const listOf = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value : [])
