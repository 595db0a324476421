/** What an artifact must reach. */
import { z } from 'zod'

export const Goals = z.strictObject({
  max_accuracy_drop: z
    .number()
    .min(-1)
    .max(1)
    .optional()
    .describe('a fraction: 0.01 is one point; a negative one asks for a gain'),
  min_speedup: z.number().positive().optional().describe('float p50 ÷ quantized p50'),
  max_size_bytes: z.number().int().positive().optional(),
})
export type Goals = z.infer<typeof Goals>
