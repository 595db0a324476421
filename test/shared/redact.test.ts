/** What is taken out of lines of the log, and what stays. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redactor } from '../../src/shared/redact.ts'

const ROWS: readonly (readonly [line: string, secret: string])[] = [
  ['{"msg":"key fb_0123456789abcdefABCDEF is new"}', '0123456789abcdefABCDEF'],
  ['{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
  ['{"headers":{"authorization":"Bearer abcdefgh.ijkl"}}', 'abcdefgh.ijkl'],
  ['{"headers":{"authorization":"Basic dXNlcjpwYXNzd29yZA=="}}', 'dXNlcjpwYXNzd29yZA'],
  ['{"url":"https://s3.example/b/k?X-Amz-Credential=AKIA%2Fx&X-Amz-Signature=deadbeef&x=1"}', 'deadbeef'],
  ['{"url":"https://s3.example/b/k?X-Amz-Credential=AKIA%2Fx&X-Amz-Signature=deadbeef&x=1"}', 'AKIA'],
  ['{"path":"/v1/jobs/job_1/events?ticket=abc-def&after=1"}', 'abc-def'],
  ['{"reason":"connect ECONNREFUSED redis://user:hunter2hunter2@redis:6379"}', 'hunter2hunter2'],
  ['{"reason":"the-operator-chose-this-key is wrong"}', 'the-operator-chose-this-key'],
]

test('secrets are taken out wherever they stand, and the line is JSON still', () => {
  const redact = redactor(['the-operator-chose-this-key', undefined, 'short'])
  for (const [line, secret] of ROWS) {
    const cleaned = redact(line)
    assert.ok(!cleaned.includes(secret), cleaned)
    assert.ok(cleaned.includes('[redacted]'), cleaned)
    JSON.parse(cleaned)
  }
})

test('ids, digests and addresses stay', () => {
  const line =
    '{"job_id":"job_01jxyz","sha256":"9f86d081884c7d659a2feaa0c55ad015","url":"http://127.0.0.1:8080/v1/jobs?limit=5","bearer":"Bearer realm=\\"fewbit\\"","short":"short"}'
  assert.equal(redactor(['short'])(line), line)
})
