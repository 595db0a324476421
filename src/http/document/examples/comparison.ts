/** Examples of comparisons: what is sent, and what is answered. */
import type { z } from 'zod'
import type {
  ComparisonEvent,
  ComparisonRequest,
  ComparisonSummary,
  ComparisonView,
} from '../../../comparisons/comparison.ts'
import type { ComparisonDryRun, ComparisonRetry } from '../../routes/comparisons.ts'
import { COMPARISON_REPORT } from './comparison-report.ts'

const { recommendation: RECOMMENDATION } = COMPARISON_REPORT
const JOB_ID = 'job_01m8qzmmddga0t4nnw21gp23ba'
const ARTIFACTS = [
  {
    id: 'art_01m8qzmwb9knmfq7zcvvrx1tbx',
    name: 'model.onnx',
    content_type: 'application/octet-stream',
    size_bytes: 6647,
  },
]

export const COMPARISON_REQUEST: z.input<typeof ComparisonRequest> = {
  model_id: 'mdl_01m8qzmd676jt0wsv6gh9h8vqy',
  targets: ['cpu-int8'],
  methods: [{ type: 'dynamic' }, { type: 'static' }],
  calibration: { dataset_id: 'ds_01m8qzmdp212wd8z6a2sxth56z' },
}

export const COMPARISON_SUMMARY: z.output<typeof ComparisonSummary> = {
  id: 'cmp_01m8qzmmddx0cpmrenyfsk0jr9',
  object: 'comparison',
  status: 'succeeded',
  created_at: '2026-03-02T05:01:03.789Z',
  started_at: '2026-03-02T05:01:03.837Z',
  finished_at: '2026-03-02T05:01:11.944Z',
  request: COMPARISON_REQUEST,
  metadata: {},
  progress: { fraction: 1, rows_ended: 2, rows: 2 },
  goals: {},
  recommendation: RECOMMENDATION && { ...RECOMMENDATION, job_id: JOB_ID },
  links: {
    self: '/v1/comparisons/cmp_01m8qzmmddx0cpmrenyfsk0jr9',
    events: '/v1/comparisons/cmp_01m8qzmmddx0cpmrenyfsk0jr9/events',
    cancel: '/v1/comparisons/cmp_01m8qzmmddx0cpmrenyfsk0jr9/cancel',
    retry: '/v1/comparisons/cmp_01m8qzmmddx0cpmrenyfsk0jr9/retry',
    report: '/v1/comparisons/cmp_01m8qzmmddx0cpmrenyfsk0jr9/report',
  },
}

export const COMPARISON: z.output<typeof ComparisonView> = {
  ...COMPARISON_SUMMARY,
  quality: 'accuracy',
  margin: COMPARISON_REPORT.margin,
  rows: COMPARISON_REPORT.rows.map((row) => ({
    ...row,
    job_id: row.method === 'float' ? null : JOB_ID,
    progress: null,
    artifacts: row.method === 'float' ? [] : ARTIFACTS,
  })),
  verdicts: COMPARISON_REPORT.verdicts.map((verdict) => ({ ...verdict, job_id: JOB_ID })),
}

export const QUEUED_COMPARISON: z.output<typeof ComparisonView> = {
  ...COMPARISON,
  status: 'queued',
  started_at: null,
  finished_at: null,
  progress: { fraction: 0, rows_ended: 0, rows: 2 },
  recommendation: null,
  verdicts: [],
  rows: COMPARISON.rows.slice(1).map((row) => ({
    ...row,
    status: 'queued',
    progress: 0,
    accuracy: null,
    fidelity: null,
    size_bytes: null,
    size_ratio: null,
    latency_ms: null,
    cost: null,
    conformance: null,
    artifacts: [],
    pareto: false,
    warnings: [],
    tests: { float: null, cheaper: null, post_training: null },
  })),
}

export const COMPARISON_DRY_RUN: z.output<typeof ComparisonDryRun> = {
  object: 'comparison_dry_run',
  valid: true,
  rows: [
    {
      name: 'dynamic',
      target: 'cpu-int8',
      method: 'dynamic',
      options: {
        target: 'cpu-int8',
        method: { type: 'dynamic', per_channel: true },
        exclude: { nodes: [], op_types: [] },
        format: 'onnx',
        calibration: { samples: 80 },
        evaluation: { metric: 'top1', samples: 80 },
        seed: 0,
      },
      violations: [],
    },
    {
      name: 'static',
      target: 'cpu-int8',
      method: 'static',
      options: {
        target: 'cpu-int8',
        method: {
          type: 'static',
          observer: 'auto',
          per_channel: true,
          bias_correction: 'auto',
          equalize: 'auto',
          smooth: 'auto',
          adaround: false,
          refine: false,
          skip_slow_layers: true,
          activation_bits: 8,
        },
        exclude: { nodes: [], op_types: [] },
        format: 'onnx',
        calibration: { samples: 80 },
        evaluation: { metric: 'top1', samples: 80 },
        seed: 0,
      },
      violations: [],
    },
  ],
}

export const COMPARISON_RETRY: z.input<typeof ComparisonRetry> = { rows: [2] }

export const COMPARISON_EVENT: z.output<typeof ComparisonEvent> = {
  id: 'evt_1796101263838-19',
  object: 'event',
  comparison_id: 'cmp_01m8qzmmddx0cpmrenyfsk0jr9',
  type: 'comparison.started',
  data: { status: 'running' },
  created_at: '2026-03-02T05:01:03.837Z',
}
