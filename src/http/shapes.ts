/** Shapes that several endpoints share: ids, pages, links. */
import { z } from 'zod'
import type { IdPrefix } from '../shared/ids.ts'

export const idOf = (prefix: IdPrefix, what: string) =>
  z.object({ id: z.string().min(1).max(100).describe(`${prefix}_…: id of the ${what}`) })

const limit = z.coerce.number().int().min(1).default(20).transform(atMost100).describe('how many, at most 100')

/** The query of a list whose cursors match `cursor`; a parameter that the list does not know is refused. */
export const pageOf = (cursor: RegExp) =>
  z.strictObject({
    limit,
    after: z
      .string()
      .max(200)
      .regex(cursor, 'not a cursor of this list')
      .optional()
      .describe('`next_cursor` of the page before'),
  })

function atMost100(limit: number): number {
  return Math.min(limit, 100)
}

export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({
    object: z.literal('list'),
    data: z.array(item),
    has_more: z.boolean(),
    next_cursor: z.string().nullable().describe('pass as `after`; null on the last page'),
  })

/** An answer in JSON, with the sentence that the OpenAPI document says about it. */
export const answer = <T extends z.ZodType>(description: string, schema: T) => ({
  description,
  content: { 'application/json': { schema } },
})

export const NoContent = z.undefined().describe('done, nothing to say')
