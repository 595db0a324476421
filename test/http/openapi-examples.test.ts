/** Every body that openapi.yaml describes has examples, and each of them is what its schema says. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Body, examplesOf, openapi, operationsOf, pointerOfBody, problemWith, resolve } from '../kit/openapi.ts'

const NO_BODY = new Set(['204', '304', '2XX'])

function checkBody(body: Body, own: string[]): number {
  const content = Object.entries(resolve<Body>(body as { $ref: string }).content ?? {})
  assert.ok(content.length > 0, `${own.join(' ')} describes no content`)
  for (const [type, media] of content) {
    const examples = examplesOf(media)
    assert.ok(examples.length > 0, `${own.join(' ')} ${type} has no example`)
    const pointer = `${pointerOfBody(body, own)}/content/${type.replaceAll('/', '~1')}/schema`
    for (const example of examples) assert.equal(problemWith(pointer, example), null, `${own.join(' ')} ${type}`)
  }
  return content.length
}

for (const section of ['paths', 'webhooks'] as const)
  describe(`examples of ${section}`, () => {
    let bodies = 0
    for (const { path, method, operation } of operationsOf(openapi[section]))
      test(`${method} ${path}`, () => {
        const own = [section, path, method]
        if (operation.requestBody) bodies += checkBody(operation.requestBody, [...own, 'requestBody'])
        for (const [status, body] of Object.entries(operation.responses))
          if (!NO_BODY.has(status)) bodies += checkBody(body, [...own, 'responses', status])
      })
    test('there are many', () => assert.ok(bodies > 8, String(bodies)))
  })

test('an example that does not fit would be found', () => {
  assert.match(problemWith('/components/schemas/Job', { id: 'job_1' }) ?? '', /must have required property/)
})
