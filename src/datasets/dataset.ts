/** The data set record: what an uploaded .npz holds, read once at its arrival. */
import { z } from 'zod'
import { DatasetSpec } from '../contract/recipe.ts'
import { Warning } from '../contract/report.ts'
import { Metadata } from '../models/model.ts'

const ArrayShape = z.array(z.number().int()).describe('first axis = sample')

export const DatasetRecord = z.object({
  id: z.string().describe('ds_…'),
  object: z.literal('dataset'),
  owner: z.string(),
  name: z.string(),
  created_at: z.iso.datetime(),
  size_bytes: z.number().int(),
  sha256: z.string(),
  samples: z.number().int(),
  arrays: z.array(z.object({ name: z.string(), dtype: z.string(), shape: ArrayShape })),
  labels: z
    .object({ dtype: z.string(), shape: z.array(z.number().int()) })
    .nullable()
    .describe(
      'one axis: a class or figure per sample; two: a sequence per sample, padded with −1; three: the classes of pixels',
    ),
  spec: DatasetSpec,
  warnings: z.array(Warning),
  metadata: Metadata,
})
export type DatasetRecord = z.infer<typeof DatasetRecord>

/** The data set as the outside sees it. */
export const viewDataset = ({ owner: _, ...visible }: DatasetRecord): Omit<DatasetRecord, 'owner'> => visible
