/** A few hundred of the fuzz bench's cases against the reader of uploads: each is read or refused in our words. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openCases } from '../../bench/suites/fuzz/cases.ts'
import { openGround, TRIES } from '../../bench/suites/fuzz/tries.ts'

const CASES = 400

test('faulty models and data sets are refused with a code of ours and show no other file', async (t) => {
  const { directory, secret } = openGround()
  t.after(() => rmSync(join(directory, '..'), { recursive: true }))
  const caseOf = openCases(2, secret)
  const codes = new Set<string>()
  for (let index = 0; index < CASES; index++) {
    const { code, detail, leaks } = await TRIES.reader(caseOf(index), index, directory)
    assert.notEqual(code, 'internal', `case ${index}: ${detail}`)
    assert.equal(leaks, false, `case ${index}`)
    codes.add(code)
  }
  // models and data, right ones and wrong ones
  for (const code of ['done', 'model_invalid', 'dataset_not_npz']) assert.ok(codes.has(code), code)
})

test('a case follows from the seed and its number', () => {
  const [one, again, other] = [5, 5, 6].map((seed) => openCases(seed, '/secret')(7).bytes)
  assert.ok(one!.equals(again!))
  assert.ok(!one!.equals(other!))
})
