/** A key, read without showing it, checked with its service, and remembered. */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { z } from 'zod'
import { FewbitError } from '../../shared/errors.ts'
import type { ServerOption } from '../commands/server-options.ts'
import { styled } from '../style.ts'
import { askJson } from './request.ts'
import { accessOf, saveAccess } from './settings.ts'

export interface Asked extends ServerOption {
  key: boolean
}

export async function login({ server, key: isNeeded }: Asked): Promise<void> {
  const { server: origin } = accessOf(server)
  const key = isNeeded ? await readKey(origin) : null
  requireSafe(origin, key)
  await askJson({ server: origin, key }, '/v1/jobs?limit=1', z.looseObject({ object: z.literal('list') }))
  const file = saveAccess({ server: origin, key })
  console.log(`${styled(process.stdout, 'green', 'ok:')} ${origin}, remembered in ${file}`)
}

async function readKey(origin: string): Promise<string> {
  const given = process.env.FEWBIT_API_KEY || (process.stdin.isTTY ? await prompt(origin) : readFileSync(0, 'utf8'))
  const key = given.trim()
  if (/^[\x21-\x7e]{1,500}$/.test(key)) return key
  throw new FewbitError('invalid_request', 'no key was given', {
    hint: 'type it, pipe it in, or set FEWBIT_API_KEY; --no-key where the service needs none',
  })
}

/** What is typed is not shown. */
async function prompt(origin: string): Promise<string> {
  process.stderr.write(`API key for ${origin}: `)
  const mute = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: mute, terminal: true })
  try {
    return await terminal.question('')
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}

function requireSafe(origin: string, key: string | null): void {
  const { protocol, hostname } = new URL(origin)
  const isHere = hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname)
  if (key === null || protocol === 'https:' || isHere) return
  throw new FewbitError('invalid_request', `${origin} would get the key unencrypted`, {
    hint: 'name the service by https://; who trusts the network sets FEWBIT_API_KEY for each call instead',
  })
}
