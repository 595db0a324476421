/** The error table: every way Fewbit says no, with its HTTP status and constant title. */

interface ErrorRow {
  status: number
  title: string
  retryable?: boolean
}

const TABLE = {
  // requests
  invalid_request: { status: 422, title: 'The request is not valid' },
  malformed_request: { status: 400, title: 'The request could not be parsed' },
  unauthenticated: { status: 401, title: 'A valid API key is needed' },
  insufficient_scope: { status: 403, title: 'The API key may not do this' },
  cross_site_request: { status: 403, title: 'Web pages of other sites may not call this service' },
  not_found: { status: 404, title: 'No such resource' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  not_acceptable: { status: 406, title: 'None of the accepted formats can be produced' },
  unsupported_media_type: { status: 415, title: 'Unsupported content type' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  precondition_failed: { status: 412, title: 'The resource is not in the state that the request requires' },
  payload_too_large: { status: 413, title: 'The request body is too large' },
  uri_too_long: { status: 414, title: 'The request target is too long' },
  misdirected_request: { status: 421, title: 'The service is not reached under this host' },
  expectation_failed: { status: 417, title: 'The expectation cannot be met' },
  headers_too_large: { status: 431, title: 'The request header fields are too large' },
  upload_aborted: { status: 400, title: 'The upload ended early' },
  upload_incomplete: { status: 409, title: 'Parts of the upload are missing' },
  upload_in_progress: { status: 409, title: 'The upload is being put together', retryable: true },
  upload_completed: { status: 409, title: 'The upload is complete' },
  part_size_mismatch: { status: 422, title: 'The part has another size' },
  too_many_uploads: { status: 429, title: 'Too many unfinished uploads', retryable: true },
  range_not_satisfiable: { status: 416, title: 'The range lies outside the content' },
  digest_mismatch: { status: 400, title: 'The bytes do not match the declared digest' },
  insufficient_storage: { status: 507, title: 'The store is full' },
  stored_bytes_exceeded: { status: 429, title: 'The owner stores as many bytes as it may', retryable: true },
  too_many_jobs: { status: 429, title: 'Too many unfinished jobs', retryable: true },
  too_many_api_keys: { status: 409, title: 'The owner has as many API keys as are kept' },
  too_many_webhook_endpoints: { status: 409, title: 'The owner has as many webhook endpoints as are kept' },
  endpoint_disabled: { status: 409, title: 'The webhook endpoint is disabled' },
  idempotency_key_in_use: { status: 409, title: 'A request with this Idempotency-Key is running', retryable: true },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key was used for another request' },
  in_use: { status: 409, title: 'The resource is in use' },
  job_already_finished: { status: 409, title: 'The job has already finished' },
  job_not_finished: { status: 409, title: 'The job has not finished yet', retryable: true },
  unavailable: { status: 503, title: 'A dependency of the service does not answer', retryable: true },
  store_unavailable: { status: 503, title: 'The store of the service does not answer', retryable: true },
  internal: { status: 500, title: 'Internal error', retryable: true },
  // models
  model_not_onnx: { status: 422, title: 'The bytes are not an ONNX model' },
  model_truncated: { status: 422, title: 'The model file is cut off' },
  model_empty: { status: 422, title: 'The model has no graph' },
  model_invalid: { status: 422, title: 'The model is not a valid ONNX graph' },
  model_bundle_invalid: { status: 422, title: 'The bundle does not hold one model with its data' },
  model_external_data: { status: 422, title: 'The model refers to external data that is not acceptable' },
  model_tensor_invalid: { status: 422, title: 'A tensor of the model contradicts itself' },
  model_opset_unsupported: { status: 422, title: 'The model uses an operator set or IR version that is not supported' },
  model_operator_unsupported: { status: 422, title: 'The model uses an operator that ONNX Runtime does not know' },
  model_signature_unsupported: { status: 422, title: 'The model has inputs or outputs that cannot be used' },
  model_too_complex: { status: 422, title: 'The model exceeds a structural limit' },
  model_not_convertible: { status: 422, title: 'The model cannot be written in this format' },
  model_load_failed: { status: 422, title: 'ONNX Runtime refuses the model' },
  // data sets
  dataset_not_npz: { status: 422, title: 'The bytes are not an .npz archive' },
  dataset_array_invalid: { status: 422, title: 'An array of the data set cannot be used' },
  dataset_not_finite: { status: 422, title: 'The data set contains NaN or infinity' },
  dataset_labels_invalid: { status: 422, title: 'The labels of the data set cannot be used' },
  dataset_mismatch: { status: 422, title: 'The data set does not fit the model' },
  // jobs, before they start
  target_format_mismatch: { status: 422, title: 'The target does not take this format' },
  target_method_mismatch: { status: 422, title: 'The target does not support this method' },
  dataset_required: { status: 422, title: 'This method needs a data set' },
  nothing_to_quantize: { status: 422, title: 'The model has nothing that this method could quantize' },
  already_quantized: { status: 422, title: 'The model is quantized already' },
  not_differentiable: { status: 422, title: 'The model has nodes through which no gradient flows' },
  // jobs, while they run
  canceled: { status: 422, title: 'The quantization was canceled' },
  output_exists: { status: 422, title: 'The output exists already' },
  calibration_failed: { status: 422, title: 'The float model failed on the calibration data' },
  training_failed: { status: 422, title: 'Training failed' },
  quantization_failed: { status: 500, title: 'The engine failed' },
  verification_failed: { status: 422, title: 'The quantized model did not pass its verification' },
  goal_not_met: { status: 422, title: 'The goals of the job were not met' },
  out_of_memory: { status: 422, title: 'The job ran out of memory' },
  time_limit: { status: 422, title: 'The job exceeded its time limit' },
  output_limit: { status: 422, title: 'The job wrote more than it may' },
  // faults of machines, after which a job is tried again
  disk_full: { status: 507, title: 'The disk of the worker is full', retryable: true },
  disk_failed: { status: 500, title: 'The worker could not use its disk', retryable: true },
  machine_out_of_memory: { status: 500, title: 'The machine of the worker ran out of memory', retryable: true },
  runner_killed: { status: 500, title: 'Somebody killed the runner process', retryable: true },
  runner_unavailable: { status: 500, title: 'The runner process could not be started', retryable: true },
  runner_crashed: { status: 500, title: 'The runner process died', retryable: true },
  worker_lost: { status: 500, title: 'The worker died too often during this job', retryable: true },
  queue_expired: { status: 422, title: 'The job waited in the queue longer than allowed' },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof TABLE
export const ERROR_CODES = Object.keys(TABLE) as [ErrorCode, ...ErrorCode[]]

export interface ErrorExtra {
  /** JSON pointer into the request: `/calibration/dataset_id` */
  param?: string
  /** what to do about it */
  hint?: string
  /** stage of a job: `prepare`, `calibrate`, … */
  stage?: string
  /** several problems of one request */
  errors?: { pointer: string; code: string; detail: string }[]
  cause?: unknown
}

export class FewbitError extends Error {
  readonly code: ErrorCode
  readonly extra: ErrorExtra
  constructor(code: ErrorCode, detail: string, extra: ErrorExtra = {}) {
    super(detail, { cause: extra.cause })
    this.name = 'FewbitError'
    this.code = code
    this.extra = extra
  }
  /** what happened, and where */
  get detail(): string {
    return this.message
  }
  /** what to do about it */
  get hint(): string | undefined {
    return this.extra.hint
  }
  get status(): number {
    return TABLE[this.code].status
  }
  get title(): string {
    return TABLE[this.code].title
  }
  get retryable(): boolean {
    return errorRow(this.code).retryable ?? false
  }
}

export function errorRow(code: ErrorCode): ErrorRow {
  return TABLE[code]
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(TABLE, code)
}

/** A one-line detail for an unknown thrown thing. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
