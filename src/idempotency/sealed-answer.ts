/** Kept answers may show a secret once: they lie in Redis encrypted with the Idempotency-Key itself, of which Redis has only a hash. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

/** What was answered, as it went out. */
export interface KeptAnswer {
  status: number
  headers: Record<string, string | number>
  body: string
}

export interface KeyScope {
  owner: string
  /** method and route */
  route: string
  /** as the client chose it */
  key: string
}

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

const secretOf = ({ owner, route, key }: KeyScope): Buffer =>
  Buffer.from(hkdfSync('sha256', key, JSON.stringify([owner, route]), 'kept answer', 32))

export function seal(scope: KeyScope, answer: KeptAnswer): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, secretOf(scope), nonce)
  const text = Buffer.concat([cipher.update(JSON.stringify(answer)), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64')
}

export function open(scope: KeyScope, sealed: string): KeptAnswer {
  const bytes = Buffer.from(sealed, 'base64')
  const decipher = createDecipheriv(CIPHER, secretOf(scope), bytes.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  const text = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()])
  return JSON.parse(text.toString())
}
