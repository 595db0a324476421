/** Examples of models, data sets and uploads. */
import type { z } from 'zod'
import type { Model } from '../../../models/model.ts'
import type { Upload, UploadPart } from '../../../uploads/upload.ts'
import type { Dataset } from '../../routes/datasets.ts'
import type { UploadCompletion, UploadRequest } from '../../routes/uploads.ts'

export const MODEL: z.output<typeof Model> = {
  id: 'mdl_01m8qzmd676jt0wsv6gh9h8vqy',
  object: 'model',
  name: 'net.onnx',
  created_at: '2026-03-02T05:00:56.391Z',
  size_bytes: 12894,
  sha256: '6900245235edc9842f6333a311a393be015957fee41116d7b2ec70b5088fcae6',
  inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 3, 16, 16] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['N', 10] }],
  opset: 17,
  opsets: { 'ai.onnx': 17 },
  ir_version: 8,
  parameters: 3002,
  op_types: { Add: 1, BatchNormalization: 1, Conv: 2, Flatten: 1, Gemm: 1, GlobalAveragePool: 1, Relu: 2 },
  precision: 'float32',
  producer: 'pytorch',
  warnings: [],
  files: [
    { path: 'model.onnx', sha256: '6900245235edc9842f6333a311a393be015957fee41116d7b2ec70b5088fcae6', size: 12894 },
  ],
  metadata: {},
}

export const DATASET: z.output<typeof Dataset> = {
  id: 'ds_01m8qzmdp212wd8z6a2sxth56z',
  object: 'dataset',
  name: 'samples.npz',
  created_at: '2026-03-02T05:00:56.898Z',
  size_bytes: 246860,
  sha256: '12dfac0b6ace8f9c325e8be48aa3fcc51ce297eeebdfde0b1de7da656e39f899',
  samples: 80,
  arrays: [{ name: 'x', dtype: 'float32', shape: [80, 3, 16, 16] }],
  labels: { dtype: 'int64', shape: [80] },
  spec: { arrays: {} },
  warnings: [],
  metadata: {},
}

export const UPLOAD_REQUEST: z.input<typeof UploadRequest> = {
  kind: 'model',
  name: 'net.onnx',
  size_bytes: 5000000,
  sha256: '6900245235edc9842f6333a311a393be015957fee41116d7b2ec70b5088fcae6',
}

export const UPLOAD_PART: z.output<typeof UploadPart> = {
  n: 1,
  size_bytes: 5000000,
  sha256: '6900245235edc9842f6333a311a393be015957fee41116d7b2ec70b5088fcae6',
}

export const UPLOAD: z.output<typeof Upload> = {
  id: 'upl_01m8qzmxw93w874q07a6mg084g',
  object: 'upload',
  kind: 'model',
  name: 'net.onnx',
  size_bytes: 5000000,
  sha256: '6900245235edc9842f6333a311a393be015957fee41116d7b2ec70b5088fcae6',
  part_size_bytes: 16777216,
  part_count: 1,
  spec: null,
  metadata: {},
  created_at: '2026-03-02T05:01:13.482Z',
  status: 'pending',
  parts: [{ n: 1, size_bytes: 5000000, sha256: '6900245235edc9842f6333a311a393be015957fee41116d7b2ec70b5088fcae6' }],
  result_id: null,
  expires_at: '2026-12-02T05:01:13.482Z',
}

export const UPLOAD_COMPLETION: z.input<typeof UploadCompletion> = {
  sha256: '6900245235edc9842f6333a311a393be015957fee41116d7b2ec70b5088fcae6',
}
