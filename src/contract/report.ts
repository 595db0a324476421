/** What a finished quantization proves about itself: the shape of `report.json` and of a job's metrics. */
import { z } from 'zod'
import { AutoReport } from './auto.ts'
import { MEASURED_ON } from './measured-on.ts'
import { METRIC_NAMES } from './recipe.ts'
import { BROWSER_RUNTIMES } from './target-profile.ts'

const percentiles = z.object({ p50: z.number(), p95: z.number() })
const nonNegative = z.number().int().nonnegative()

/** What an output holds, in the order in which kinds decide: the first that a model has is judged. */
export const OUTPUT_KINDS = ['numbers', 'discrete', 'nearly_zero'] as const
const interval = z.array(z.number()).length(2).nullable()
const SQNR = '10·log10(Σ float² ÷ Σ (float − quantized)²)'

/** One output of a model against the float model's. */
const OutputFidelity = z.object({
  name: z.string(),
  kind: z
    .enum(OUTPUT_KINDS)
    .describe(
      'numbers; discrete: whole numbers, truth values and masks of zeros and ones, judged by how many elements are the same; nearly_zero: less than a millionth of the largest output, which says nothing',
    ),
  sqnr_db: z
    .number()
    .describe(`${SQNR} over all samples; of discrete outputs 10·log10(elements ÷ elements that differ)`),
  sqnr_db_ci95: interval.describe('95 % interval for other samples like these, see fidelity.sqnr_db_ci95'),
  sqnr_db_median: z.number().describe('of the SQNR of each sample'),
  sqnr_db_p10: z.number().describe('a tenth of the samples have less'),
  cosine: z.number().describe('of discrete outputs the share of elements that are the same'),
  max_abs_error: z.number(),
  equal: z.number().nullable().describe('share of elements that are the same; null unless discrete'),
})

const placed = z.object({ node: z.string(), op_type: z.string() })

/** One runtime of browsers: artifact and float model on the same samples. */
export const BrowserRun = z.object({
  runtime: z.enum(BROWSER_RUNTIMES),
  verified: z.boolean().describe('whether both models ran there'),
  reason: z.string().nullable().describe('why they did not'),
  device: z.string().describe('what computed'),
  version: z.string().nullable().describe('of ONNX Runtime'),
  samples: nonNegative,
  sqnr_db: z.number().nullable().describe('of the artifact against the float model, both there; worst output'),
  cosine: z.number().nullable(),
  max_abs_error: z.number().nullable(),
  agreement: z.number().nullable().describe('share of positions with the same largest class'),
  sqnr_db_to_cpu: z.number().nullable().describe('of the artifact there against the same artifact on this CPU'),
  latency_ms: z
    .object({
      float: percentiles,
      quantized: percentiles,
      speedup: z.number().describe('float p50 ÷ quantized p50'),
      threads: nonNegative,
      runs: nonNegative,
    })
    .nullable()
    .describe('of one run of the first sample; null where a software renderer stands in for the GPU'),
  cpu_nodes: z.array(placed).describe('nodes with numbers that the GPU leaves to the CPU'),
  shape_nodes: nonNegative.nullable().describe('nodes of whole numbers, sizes mostly, that stay on the CPU'),
  crossings: nonNegative.nullable().describe('copies between CPU and GPU in one run'),
})
export type BrowserRun = z.infer<typeof BrowserRun>

export const Metrics = z.object({
  size_bytes: z.object({ float: nonNegative, quantized: nonNegative, ratio: z.number().describe('quantized ÷ float') }),
  latency_ms: z
    .object({
      float: percentiles,
      quantized: percentiles,
      speedup: z.number().describe('float p50 ÷ quantized p50'),
      threads: nonNegative,
      runs: nonNegative,
      batch: nonNegative.describe('samples in one run'),
      measured_on: z.string(),
    })
    .nullable(),
  accuracy: z
    .object({
      metric: z.enum(METRIC_NAMES),
      float: z.number(),
      quantized: z.number(),
      drop: z
        .number()
        .describe('float − quantized, so that a positive drop is a loss; for error metrics quantized − float'),
      samples: nonNegative,
      ci95: z.array(z.number()).length(2).describe('95 % interval of the drop over paired samples'),
    })
    .nullable(),
  fidelity: z
    .object({
      sqnr_db: z
        .number()
        .describe(`${SQNR}, worst output of the first kind that there is: numbers, discrete, nearly_zero`),
      sqnr_db_ci95: interval.describe(
        '95 % interval for other samples like these: a seeded bootstrap over samples, past 1024 over so many groups; null for fewer than 5 samples',
      ),
      sqnr_db_median: z.number().describe('median over samples, worst output'),
      sqnr_db_p10: z.number().describe('a tenth of the samples have less, worst output'),
      cosine: z.number().describe('worst output'),
      cosine_ci95: interval.describe('95 % interval, as sqnr_db_ci95'),
      agreement: z
        .number()
        .nullable()
        .describe(
          'share of positions with the same largest class in the first float output, over the axis that agreement_over names; null where an output has no classes',
        ),
      agreement_ci95: interval.describe(
        '95 % interval (Wilson) with as many independent positions as vary like the samples do; null for fewer than 5 samples',
      ),
      agreement_over: z
        .object({ output: z.string(), axis: nonNegative })
        .nullable()
        .describe(
          'the output that was counted, and its axis with the classes; each index of the other axes is a position',
        ),
      samples: nonNegative,
      batch: nonNegative.describe('samples in one run'),
      in_batches: z
        .object({
          batch: nonNegative,
          sqnr_db: z.number(),
          max_change: z
            .number()
            .nullable()
            .default(null)
            .describe('the most by which a number of a sample differs from the same sample alone'),
        })
        .nullable()
        .describe(
          'the same with so many samples in one run, where the artifact reads ranges from whole runs (method dynamic); null where samples do not depend on each other, or cannot share a run',
        ),
      measured_on: z
        .enum(MEASURED_ON)
        .describe(
          'samples of the evaluation data; held out of the calibration or training data; the same that calibrated or trained; or one made-up input',
        ),
      outputs: z.array(OutputFidelity),
    })
    .nullable(),
  coverage: z.object({
    nodes: nonNegative,
    nodes_quantized: nonNegative,
    integer_kernels: nonNegative
      .nullable()
      .describe('integer kernels left by ONNX Runtime after its optimization, counted on this CPU'),
    conversions: nonNegative
      .nullable()
      .describe('QuantizeLinear and DequantizeLinear (or Cast) nodes left after optimization'),
    macs_integer: z
      .number()
      .nullable()
      .describe(
        'share of multiply-accumulates in integers: in the kernels of one run on this CPU where it is the target, as planned elsewhere',
      ),
  }),
  runtimes: z
    .array(BrowserRun)
    .default([])
    .describe('the runtimes of browsers that the target names; none for other targets'),
  litert: z
    .object({
      version: z.string(),
      operators: z.record(z.string(), nonNegative).describe('operators of the file, by kind'),
      simulation: z
        .object({
          equal: z.number().describe('share of numbers that are the same'),
          most_steps: nonNegative
            .nullable()
            .describe('the largest difference in quantization steps of the output; null where outputs are float'),
          sqnr_db: z.number().nullable().describe('null without a difference'),
        })
        .describe('the outputs beside those of the quantized ONNX model in ONNX Runtime'),
    })
    .optional()
    .describe(
      'where a .tflite was executed by LiteRT, the interpreter of TensorFlow Lite: fidelity and accuracy are measured there too; its times as WebAssembly are no device’s, and are not measured',
    ),
  target_conformance: z.object({
    ok: z.boolean(),
    violations: z.array(
      z.object({
        node: z.string().describe('a node, or an input or output of the model'),
        rule: z.string().describe('field of the target that is broken'),
        detail: z.string(),
        source: z.string().describe('where the rules of the target come from'),
      }),
    ),
  }),
})
export type Metrics = z.infer<typeof Metrics>

export const Warning = z.object({ code: z.string(), detail: z.string() })
export type Warning = z.infer<typeof Warning>

/** One float value of the graph and what became of it. */
export const PlanEntry = z.object({
  value: z.string(),
  role: z.string(),
  dtype: z.string().nullable(),
  scale: z.union([z.number(), z.array(z.number())]).nullable(),
  zero_point: z.number().nullable(),
  axis: z.number().nullable(),
  reason: z.string(),
})
export const PlanNode = z.object({ node: z.string(), op_type: z.string(), quantized: z.boolean(), reason: z.string() })
export const PlanDocument = z.object({
  target: z.string(),
  method: z.string(),
  nodes: z.array(PlanNode),
  values: z.array(PlanEntry),
})
export type PlanDocument = z.infer<typeof PlanDocument>

const score = z.object({
  loss: z.number(),
  distance: z.number().describe('the part of the loss that compares with the float model'),
  metric: z.number().nullable().describe('in the words of `metric`; null where outputs have no argmax'),
})

/** What a quantization-aware training did. */
export const TrainingReport = z.object({
  loss: z.string(),
  optimizer: z.string(),
  learning_rate: z.number().describe('its peak'),
  steps: nonNegative,
  total_steps: nonNegative.describe('planned'),
  epochs: z.number(),
  batch_size: nonNegative,
  samples: nonNegative,
  held_out_samples: nonNegative.describe('of the training data, for judging while training goes on'),
  learned_scales: z.boolean(),
  memory_bytes: nonNegative.describe('estimated before the start, of the whole process'),
  seconds: z.number(),
  samples_per_second: z.number(),
  ending: z.enum(['completed', 'stopped', 'no_improvement', 'diverged']),
  metric: z.enum(METRIC_NAMES),
  float: score.describe('the float model on the held-out samples'),
  post_training: score.describe('what training started from, on the held-out samples'),
  best: score.extend({ step: nonNegative }).nullable().describe('the best artifact on the held-out samples'),
  kept: z.enum(['trained', 'post_training']),
  curve: z.array(z.object({ step: nonNegative, loss: z.number(), learning_rate: z.number() })),
  judged: z.array(score.extend({ step: nonNegative })),
})

export const LayerSensitivity = z.object({
  node: z.string(),
  op_type: z.string(),
  value: z.string().describe('its result'),
  sqnr_db: z.number().describe('of its result, with everything in front of it quantized too'),
  cosine: z.number(),
  gain_db: z
    .number()
    .nullable()
    .describe(
      'what the outputs win when this layer alone leaves the 8-bit integers; measured where a goal asks for it',
    ),
})
export type LayerSensitivity = z.infer<typeof LayerSensitivity>

export const Report = z.object({
  fewbit: z.string(),
  onnxruntime: z.string(),
  target: z.string(),
  method: z.string(),
  options: z.record(z.string(), z.unknown()).describe('every "auto" resolved'),
  opset: z.object({ float: z.number(), quantized: z.number() }),
  calibration: z
    .object({ samples: nonNegative, observer: z.string(), samples_per_second: z.number(), values: nonNegative })
    .nullable(),
  search: z
    .array(z.object({ step: z.string(), sqnr_db: z.number(), kept: z.boolean() }))
    .default([])
    .describe('variants that were tried on samples that did not calibrate, and what was kept'),
  training: TrainingReport.nullable().default(null),
  auto: AutoReport.nullable().default(null).describe('of the method auto: the ladder that it climbed'),
  sensitivity: z
    .array(LayerSensitivity)
    .default([])
    .describe('quantized layers, the least faithful first, on some samples that judge'),
  metrics: Metrics,
  warnings: z.array(Warning),
  stages: z.array(z.object({ name: z.string(), seconds: z.number() })),
})
export type Report = z.infer<typeof Report>
