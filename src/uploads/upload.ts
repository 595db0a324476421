/** The record of a resumable upload: what was announced, and which parts of it are there. */
import { z } from 'zod'
import { DatasetSpec } from '../contract/recipe.ts'

export const UPLOAD_KINDS = ['model', 'dataset'] as const

export const UploadPart = z.object({
  n: z.number().int(),
  size_bytes: z.number().int(),
  sha256: z.string(),
})
export type UploadPart = z.infer<typeof UploadPart>

export const Upload = z.object({
  id: z.string().describe('upl_…'),
  object: z.literal('upload'),
  kind: z.enum(UPLOAD_KINDS),
  name: z.string(),
  status: z.enum(['pending', 'completed']),
  size_bytes: z.number().int(),
  sha256: z.string().nullable().describe('of the whole, as it was declared'),
  part_size_bytes: z.number().int().describe('of every part but the last'),
  part_count: z.number().int(),
  parts: z.array(UploadPart).describe('those that are there'),
  spec: DatasetSpec.nullable(),
  metadata: z.record(z.string(), z.string()),
  result_id: z.string().nullable().describe('of the model or data set that came of it'),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime().describe('a day after the last part came'),
})
export type Upload = z.infer<typeof Upload>

/** What Redis holds besides parts and status. */
export interface UploadRecord extends Omit<Upload, 'parts' | 'status' | 'result_id' | 'expires_at'> {
  owner: string
}

export interface StoredUpload {
  record: UploadRecord
  /** by number */
  parts: UploadPart[]
  resultId: string | null
  expiresAt: number
}

export const LIFETIME_MS = 86_400_000

/** How many bytes part `n` has. */
export function sizeOfPart({ size_bytes, part_size_bytes, part_count }: UploadRecord, n: number): number {
  return n < part_count ? part_size_bytes : size_bytes - part_size_bytes * (part_count - 1)
}

/** The record as the outside sees it. */
export function viewUpload({ record, parts, resultId, expiresAt }: StoredUpload): Upload {
  const { owner: _, ...visible } = record
  return {
    ...visible,
    status: resultId === null ? 'pending' : 'completed',
    parts,
    result_id: resultId,
    expires_at: new Date(expiresAt).toISOString(),
  }
}
