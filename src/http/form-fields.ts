/** Reads the fields of an upload form. */
import type { z } from 'zod'
import { Metadata } from '../models/model.ts'
import type { Form } from './form.ts'
import { refused } from './problem.ts'
import { refusedByZod } from './validation.ts'

/** The field `name`, or the file's own name; at most 200 characters. */
export function readName(form: Form): string {
  const file = form.files.find(({ field }) => field === 'file')
  return (form.fields.name || file?.filename || '').slice(0, 200)
}

export const readMetadata = (form: Form): Metadata => readJson(form, 'metadata', Metadata, {})

/** A field that carries JSON. Throws invalid_request with pointers into it. */
export function readJson<T extends z.ZodType>(form: Form, field: string, schema: T, absent: z.output<T>): z.output<T> {
  const text = form.fields[field]
  if (text === undefined || text === '') return absent
  const parsed = schema.safeParse(parseJson(field, text))
  if (parsed.success) return parsed.data
  throw refusedByZod(parsed.error, `/${field}`)
}

function parseJson(field: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw refused([{ pointer: `/${field}`, code: 'json', detail: 'not valid JSON' }])
  }
}
