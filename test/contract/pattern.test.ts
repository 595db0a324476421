/** Patterns of clients take time that grows with the text, whatever they are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePattern, isPattern } from '../../src/contract/pattern.ts'
import { Exclude } from '../../src/contract/recipe.ts'

test('a pattern matches a whole name', () => {
  assert.ok(compilePattern('head_.*')('head_1'))
  assert.ok(compilePattern('a|b')('b'))
  assert.ok(!compilePattern('a|b')('ab'))
  assert.ok(!compilePattern('head_.*')('the head_1'))
  assert.ok(compilePattern('/encoder/layer\\.\\d+/.*')('/encoder/layer.12/MatMul'))
})

// Each of these takes V8 longer than anybody waits.
for (const source of ['(a+)+$', '(a|a)*b', '(.*a){25}', '(a*)*(b|c)', '([a-z]+)*\\d', '(?:a?){30}a{30}']) {
  test(`${source} is matched in linear time`, () => {
    const matches = compilePattern(source)
    const cpu = process.cpuUsage()
    matches(`${'a'.repeat(20_000)}!`)
    const { user } = process.cpuUsage(cpu)
    assert.ok(user < 10_000_000, `${user} µs`)
  })
}

test('what needs backtracking is refused at the door, with a pointer', () => {
  for (const source of ['(?=a)b', '(a)\\1', '(?<!a)b', '(['] as const) {
    assert.equal(isPattern(source), false, source)
    const parsed = Exclude.safeParse({ nodes: ['fine', source] })
    assert.deepEqual(parsed.error?.issues[0]?.path, ['nodes', 1])
  }
})
