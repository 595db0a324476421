/** Adds the field Idempotency-Key to operations that create, and what their answers say of it. */
import type { Json } from './json.ts'
import { mapOperations } from './operations.ts'

const PARAMETER = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'A name of your own for this request, such as a UUID. Repeated with the same key and payload within 24 h, it makes nothing twice and is answered as it was the first time, with `Idempotent-Replayed: true`. Of an upload the digest of the bytes counts as payload.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
}
const REPLAYED = { description: 'true: what was answered before', schema: { type: 'string' } }
const REFERENCE = { $ref: '#/components/parameters/IdempotencyKey' }

/** The flag itself stays for the errors that come with it. */
export function addIdempotency(document: Json): Json {
  const paths = mapOperations(document.paths as Json, (operation) =>
    operation['x-idempotent'] ? withKey(operation) : operation,
  )
  const components = { ...(document.components as Json), parameters: { IdempotencyKey: PARAMETER } }
  return { ...document, paths, components }
}

function withKey({ parameters = [], responses, ...operation }: Json): Json {
  return {
    ...operation,
    parameters: [...(parameters as Json[]), REFERENCE],
    responses: Object.fromEntries(
      Object.entries(responses as Json).map(([status, one]) => [status, told(one as Json)]),
    ),
  }
}

function told(response: Json): Json {
  return { ...response, headers: { ...(response.headers as Json), 'Idempotent-Replayed': REPLAYED } }
}
