/** Examples of jobs: what is sent, and what is answered. */
import type { z } from 'zod'
import type { ArtifactSummary, Checkpoint, JobEvent, JobRequest } from '../../../jobs/record/job.ts'
import type { DryRun, Job } from '../../routes/jobs.ts'

export const JOB_REQUEST: z.input<typeof JobRequest> = {
  model_id: 'mdl_01m8qzmd676jt0wsv6gh9h8vqy',
  target: 'cpu-int8',
  method: { type: 'static' },
  calibration: { dataset_id: 'ds_01m8qzmdp212wd8z6a2sxth56z', part: 'others' },
  evaluation: { dataset_id: 'ds_01m8qzmdp212wd8z6a2sxth56z', part: 'held_out', metric: 'top1' },
  metadata: { commit: '4f2a9c1' },
}

export const TRAINING_REQUEST: z.input<typeof JobRequest> = {
  model_id: 'mdl_01m8qzmd676jt0wsv6gh9h8vqy',
  target: 'npu-qnn-htp',
  method: { type: 'qat', loss: 'distillation' },
  training: { dataset_id: 'ds_01m8qzmdp212wd8z6a2sxth56z', part: 'others', epochs: 3 },
  evaluation: { dataset_id: 'ds_01m8qzmdp212wd8z6a2sxth56z', part: 'held_out', metric: 'top1' },
  goals: { max_accuracy_drop: 0.01 },
  limits: { max_runtime_seconds: 3600 },
  webhook: { url: 'https://example.org/hooks/fewbit', events: ['job.succeeded', 'job.failed'] },
}

export const PROFILE_REQUEST: z.input<typeof JobRequest> = {
  model_id: 'mdl_01m8qzmd676jt0wsv6gh9h8vqy',
  target: {
    id: 'my-accelerator',
    activation: { dtype: 'uint8', symmetric: false },
    weight: { dtype: 'int8', symmetric: true, granularity: 'channel' },
    operators: { Conv: {}, Gemm: {}, Relu: {} },
  },
  method: { type: 'static' },
  calibration: { dataset_id: 'ds_01m8qzmdp212wd8z6a2sxth56z', samples: 128 },
}

export const ARTIFACT: z.output<typeof ArtifactSummary> = {
  id: 'art_01m8qzmm6g7q63kr5x8f1vafvb',
  object: 'artifact',
  job_id: 'job_01m8qzmdpy2crtqmwcxjsjgen5',
  name: 'model.onnx',
  content_type: 'application/octet-stream',
  size_bytes: 6647,
  sha256: '46c8ce1e6643936147cd83b668735e2d51ab5dfe3eafbddbb3ab3790d6440a35',
  created_at: '2026-03-02T05:01:03.595Z',
}

export const JOB: z.output<typeof Job> = {
  id: 'job_01m8qzmdpy2crtqmwcxjsjgen5',
  object: 'job',
  created_at: '2026-03-02T05:00:56.926Z',
  request: {
    model_id: 'mdl_01m8qzmd676jt0wsv6gh9h8vqy',
    target: 'cpu-int8',
    method: { type: 'static' },
    calibration: { dataset_id: 'ds_01m8qzmdp212wd8z6a2sxth56z', part: 'others' },
    evaluation: { dataset_id: 'ds_01m8qzmdp212wd8z6a2sxth56z', part: 'held_out', metric: 'top1' },
    metadata: { commit: '4f2a9c1' },
  },
  retry_of: null,
  comparison_id: null,
  metadata: { commit: '4f2a9c1' },
  status: 'succeeded',
  priority: 'normal',
  phase: null,
  progress: { step: 1, total_steps: 1, message: 'writing the results', fraction: 1 },
  queued_at: '2026-03-02T05:00:56.926Z',
  started_at: '2026-03-02T05:00:56.977Z',
  finished_at: '2026-03-02T05:01:03.632Z',
  attempt: 1,
  limits: { max_runtime_seconds: 3600, max_queue_seconds: 86400 },
  checkpoint: null,
  error: null,
  sandbox: 'bubblewrap',
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
    calibration: { samples: 80 },
    evaluation: { metric: 'top1', samples: 80 },
    seed: 0,
  },
  metrics: {
    size_bytes: { float: 12894, quantized: 6647, ratio: 0.5155 },
    latency_ms: {
      float: { p50: 0.03001, p95: 0.1051 },
      quantized: { p50: 0.03285, p95: 0.09899 },
      speedup: 0.9137,
      threads: 2,
      runs: 200,
      batch: 1,
      measured_on: 'AMD EPYC',
    },
    accuracy: { metric: 'top1', float: 0.925, quantized: 0.925, drop: 0, samples: 40, ci95: [0, 0] },
    fidelity: {
      sqnr_db: 52.4,
      sqnr_db_ci95: [51.89, 52.95],
      sqnr_db_median: 52.55,
      sqnr_db_p10: 50.25,
      cosine: 1,
      cosine_ci95: [1, 1],
      agreement: 1,
      agreement_ci95: [0.9124, 1],
      agreement_over: { output: 'y', axis: 1 },
      samples: 40,
      batch: 32,
      in_batches: null,
      measured_on: 'evaluation',
      outputs: [
        {
          name: 'y',
          kind: 'numbers',
          sqnr_db: 52.4,
          sqnr_db_ci95: [51.89, 52.95],
          sqnr_db_median: 52.55,
          sqnr_db_p10: 50.25,
          cosine: 1,
          max_abs_error: 0.01122,
          equal: null,
        },
      ],
    },
    coverage: { nodes: 8, nodes_quantized: 8, integer_kernels: 5, conversions: 1, macs_integer: 1 },
    runtimes: [],
    target_conformance: { ok: true, violations: [] },
  },
  artifacts: [
    {
      id: 'art_01m8qzmm6g7q63kr5x8f1vafvb',
      object: 'artifact',
      job_id: 'job_01m8qzmdpy2crtqmwcxjsjgen5',
      name: 'model.onnx',
      content_type: 'application/octet-stream',
      size_bytes: 6647,
      sha256: '46c8ce1e6643936147cd83b668735e2d51ab5dfe3eafbddbb3ab3790d6440a35',
      created_at: '2026-03-02T05:01:03.595Z',
    },
    {
      id: 'art_01m8qzmm6g9nx1t58x6nae0vzt',
      object: 'artifact',
      job_id: 'job_01m8qzmdpy2crtqmwcxjsjgen5',
      name: 'report.json',
      content_type: 'application/json',
      size_bytes: 5616,
      sha256: '3cc4bbf479e3dad455478681577f35f06cbb367ef359bdcda9c168681340ac5d',
      created_at: '2026-03-02T05:01:03.598Z',
    },
    {
      id: 'art_01m8qzmm6grcmmbweffa67jsj7',
      object: 'artifact',
      job_id: 'job_01m8qzmdpy2crtqmwcxjsjgen5',
      name: 'report.html',
      content_type: 'text/html; charset=utf-8',
      size_bytes: 7495,
      sha256: '6c6c75c64bcd7645657ab6d216f205039657e998c91576901161bbf996002973',
      created_at: '2026-03-02T05:01:03.609Z',
    },
    {
      id: 'art_01m8qzmm6gcd2d28yqyn0d8v06',
      object: 'artifact',
      job_id: 'job_01m8qzmdpy2crtqmwcxjsjgen5',
      name: 'plan.json',
      content_type: 'application/json',
      size_bytes: 3156,
      sha256: '2e3a8a78782142e1a6bc8ca326659b99ac93b41487f4e3fb7cb7bd74827ccbfe',
      created_at: '2026-03-02T05:01:03.625Z',
    },
  ],
  warnings: [
    { code: 'slower_than_float', detail: 'on this machine one run takes 0.033 ms, the float model 0.030 ms.' },
  ],
  cost: { seconds: 6.571, peak_memory_bytes: 167129088 },
  links: {
    self: '/v1/jobs/job_01m8qzmdpy2crtqmwcxjsjgen5',
    events: '/v1/jobs/job_01m8qzmdpy2crtqmwcxjsjgen5/events',
    cancel: '/v1/jobs/job_01m8qzmdpy2crtqmwcxjsjgen5/cancel',
    retry: '/v1/jobs/job_01m8qzmdpy2crtqmwcxjsjgen5/retry',
    artifacts: '/v1/jobs/job_01m8qzmdpy2crtqmwcxjsjgen5/artifacts',
    report: '/v1/jobs/job_01m8qzmdpy2crtqmwcxjsjgen5/report',
  },
}

export const DRY_RUN: z.output<typeof DryRun> = {
  object: 'dry_run',
  valid: true,
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
    calibration: { samples: 80 },
    evaluation: { metric: 'top1', samples: 80 },
    seed: 0,
  },
  violations: [],
  violation_count: 0,
}

export const CHECKPOINT: z.output<typeof Checkpoint> = {
  object: 'checkpoint',
  job_id: 'job_01m8qzmdpy2crtqmwcxjsjgen5',
  attempt: 1,
  step: 200,
  size_bytes: 90310,
  sha256: '12dfac0b6ace8f9c325e8be48aa3fcc51ce297eeebdfde0b1de7da656e39f899',
  created_at: '2026-03-02T05:00:56.977Z',
}

export const EVENT: z.output<typeof JobEvent> = {
  id: 'evt_1796101258240-3',
  object: 'event',
  job_id: 'job_01m8qzmdpy2crtqmwcxjsjgen5',
  type: 'job.progress',
  data: { phase: 'preparing', fraction: 0, step: 0, total_steps: 1, message: 'folding constants and finding shapes' },
  created_at: '2026-03-02T05:00:58.240Z',
}

/** As it is answered when it was accepted. */
export const QUEUED_JOB: z.output<typeof Job> = {
  ...JOB,
  status: 'queued',
  phase: null,
  progress: null,
  started_at: null,
  finished_at: null,
  attempt: 0,
  metrics: null,
  artifacts: [],
  warnings: [],
  sandbox: null,
  cost: null,
}
