/** The model record: what an uploaded ONNX file is, read once at its arrival. */
import { z } from 'zod'
import { Warning } from '../contract/report.ts'

export const Metadata = z
  .record(z.string().max(64), z.string().max(512))
  .refine((entries) => Object.keys(entries).length <= 16, 'at most 16 entries')
  .describe('up to 16 pairs of strings, kept and given back')
export type Metadata = z.infer<typeof Metadata>

export const Port = z.object({
  name: z.string(),
  dtype: z.string(),
  shape: z
    .array(z.union([z.number(), z.string(), z.null()]))
    .nullable()
    .describe('a string is a symbolic dimension'),
})
export type Port = z.infer<typeof Port>

export const ModelFile = z.object({
  path: z.string().describe('name beside the model, as its external data refers to it'),
  sha256: z.string(),
  size: z.number().int(),
})
export type ModelFile = z.infer<typeof ModelFile>

export const Model = z.object({
  id: z.string().describe('mdl_…'),
  object: z.literal('model'),
  name: z.string(),
  created_at: z.iso.datetime(),
  size_bytes: z.number().int().describe('all files together'),
  sha256: z.string().describe('of the model file'),
  inputs: z.array(Port),
  outputs: z.array(Port),
  opset: z.number().int(),
  opsets: z.record(z.string(), z.number().int()).describe('every imported operator set'),
  ir_version: z.number().int(),
  parameters: z.number().int(),
  op_types: z.record(z.string(), z.number().int()).describe('nodes of each operator'),
  precision: z.string(),
  producer: z.string().nullable(),
  warnings: z.array(Warning),
  files: z.array(ModelFile).describe('the model, then its external data'),
  metadata: Metadata,
})

export type Model = z.infer<typeof Model>

export const ModelRecord = Model.extend({ owner: z.string() })
export type ModelRecord = z.infer<typeof ModelRecord>

/** The model as the outside sees it. */
export const viewModel = ({ owner: _, ...visible }: ModelRecord): Model => visible
