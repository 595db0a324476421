/** Compares what arrived with the digest that the client declared (RFC 9530). */
import type { IncomingHttpHeaders } from 'node:http'
import { FewbitError } from '../shared/errors.ts'

const SHA256 = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):/

const FIELDS = ['content-digest', 'repr-digest']

export const declaresDigest = (headers: IncomingHttpHeaders): boolean =>
  FIELDS.some((name) => SHA256.test(String(headers[name] ?? '')))

/** Looks at Content-Digest and Repr-Digest. Throws digest_mismatch. */
export function verifyDigest(headers: IncomingHttpHeaders, sha256: string): void {
  for (const name of FIELDS) {
    const declared = SHA256.exec(String(headers[name] ?? ''))?.[1]
    if (declared && declared !== toBase64(sha256)) {
      throw new FewbitError('digest_mismatch', `${name} says ${declared}, the bytes are ${toBase64(sha256)}`)
    }
  }
}

export const toBase64 = (sha256: string): string => Buffer.from(sha256, 'hex').toString('base64')
