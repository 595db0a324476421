/** What the operator table promises, proved on a copy of the sources with two mistakes in it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Copy, copySources } from './copy.ts'

let copy: Copy
before(() => {
  copy = copySources()
  copy.replace('src/engine/targets/npu-ethos-u.ts', 'DepthToSpace SpaceToDepth', 'DepthToSpace SpaceToDeph')
  copy.replace(
    'src/engine/ops/activation.ts',
    'g.mul(dY, logisticSlope(g, Y))',
    'g.scale(g.mul(dY, logisticSlope(g, Y)), 7)',
  )
})
after(() => copy.remove())

describe('the operator table', () => {
  test('a misspelt operator in a target does not compile, and is the only thing that does not', () => {
    const { failed, said } = copy.compile()
    assert.ok(failed)
    const errors = said.split('\n').filter((line) => line.includes('error TS'))
    assert.equal(errors.length, 1, said)
    assert.match(errors.join(), /^src\/engine\/targets\/npu-ethos-u\.ts.*SpaceToDeph/)
  })

  test('a gradient that is wrong by a factor of seven fails the suite of the examples', () => {
    const suite = ['--test', '--test-name-pattern=Sigmoid', 'dist/test/engine/ops/examples.test.js']
    const { failed, said } = copy.run(process.execPath, suite)
    assert.ok(failed)
    assert.match(said, /d X\[\d+\] is .*, measured /)
  })
})
