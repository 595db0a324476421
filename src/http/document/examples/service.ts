/** Examples of what the service says of itself: keys, health, problems. */
import type { z } from 'zod'
import type { ApiKey, NewApiKey } from '../../../api-keys/api-key.ts'
import type { ApiKeyRequest } from '../../routes/api-keys.ts'
import type { Health } from '../../routes/health.ts'
import type { ProblemKind } from '../../routes/problems.ts'

export const API_KEY_REQUEST: z.input<typeof ApiKeyRequest> = { name: 'ci', scopes: ['read', 'write'] }

export const API_KEY: z.output<typeof ApiKey> = {
  id: 'key_01m8qzmxwgv6hjmkc84vtq54fx',
  object: 'api_key',
  name: 'ci',
  owner: 'local',
  scopes: ['read', 'write'],
  starts_with: 'fb_EXAM',
  created_at: '2026-03-02T05:01:13.488Z',
  rotated_at: null,
  previous_expires_at: null,
  last_used_at: null,
}

export const NEW_API_KEY: z.output<typeof NewApiKey> = {
  id: 'key_01m8qzmxwgv6hjmkc84vtq54fx',
  object: 'api_key',
  name: 'ci',
  owner: 'local',
  scopes: ['read', 'write'],
  starts_with: 'fb_EXAM',
  created_at: '2026-03-02T05:01:13.488Z',
  rotated_at: null,
  previous_expires_at: null,
  last_used_at: null,
  key: 'fb_EXAMPLE_which_opens_nothing',
}

export const HEALTH: z.output<typeof Health> = {
  status: 'ok',
  checks: {
    redis: { ok: true, detail: 'ok' },
    redis_write: { ok: true, detail: 'ok' },
    store: { ok: true, detail: 'ok' },
    sandbox: { ok: true, detail: 'ok' },
    workers: { ok: true, detail: '1' },
    notify: { ok: true, detail: '1' },
  },
}

export const PROBLEM_KIND: z.output<typeof ProblemKind> = {
  code: 'not_found',
  title: 'Not found',
  status: 404,
  retryable: false,
}
