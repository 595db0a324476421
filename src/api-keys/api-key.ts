/** The record of an API key: who it speaks for and what it may do. The key itself is not kept. */
import { z } from 'zod'

export const SCOPES = ['read', 'write', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/** Part of names in Redis, which are divided by colons. */
export const OWNER = /^[a-z0-9][a-z0-9_-]{0,62}$/

export const ApiKey = z.object({
  id: z.string().describe('key_…'),
  object: z.literal('api_key'),
  name: z.string(),
  owner: z.string().describe('whose models, data sets and jobs it reaches'),
  scopes: z.array(z.enum(SCOPES)).describe('read: look; write: create, cancel, delete; admin: manage keys'),
  starts_with: z.string().describe('the beginning of the key, to tell keys apart'),
  created_at: z.iso.datetime(),
  last_used_at: z.iso.datetime().nullable().describe('to the minute'),
  rotated_at: z.iso.datetime().nullable(),
  previous_expires_at: z.iso.datetime().nullable().describe('until when the key before the last rotation works'),
})
export type ApiKey = z.infer<typeof ApiKey>

/** What Redis holds; when it was used last is a field of its own. */
export interface ApiKeyRecord extends Omit<ApiKey, 'last_used_at'> {
  hash: string
  previous_hash: string | null
}

/** The answer that shows a key, once. */
export const NewApiKey = ApiKey.extend({ key: z.string().describe('shown only now') })
export type NewApiKey = z.infer<typeof NewApiKey>

/** Who calls, and what they may do. */
export interface Caller {
  owner: string
  scopes: readonly Scope[]
}

/** The record as the outside sees it. */
export function viewApiKey(record: ApiKeyRecord, last_used_at: string | null): ApiKey {
  const { hash: _hash, previous_hash: _previous, ...visible } = record
  return { ...visible, last_used_at }
}
