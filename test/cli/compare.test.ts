/** `fewbit compare`: the table, the verdict, and how it ends. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Comparison } from '../../src/contract/comparison.ts'
import { startCommand } from '../kit/command.ts'
import { randomData } from '../kit/data.ts'
import { mlp } from '../kit/model.ts'

describe('fewbit compare', () => {
  let directory: string
  const file = (name: string) => join(directory, name)
  const fewbit = (line: string) => startCommand(line.split(' '), { directory })
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'compare-command-'))
    writeFileSync(file('model.onnx'), mlp())
    writeFileSync(file('data.npz'), randomData(80, [8], { classes: 4 }))
  })
  after(() => rmSync(directory, { recursive: true }))

  test('shows a row for each method, a failure among them, and what to take', async () => {
    const ran = await fewbit('compare model.onnx -t cpu-int8 -m dynamic -m static:per_channel=false -m qat -e data.npz')
    assert.equal(ran.code, 0, ran.stderr)
    assert.match(ran.stdout, /^target +method +quality +against float/)
    assert.match(ran.stdout, /^float +float +top1 0\.\d+ /m)
    assert.match(ran.stdout, /^cpu-int8 +dynamic +top1 0\.\d+ +-?\d+\.\d \(-?\d+\.\d to \d+\.\d\) +\S+ k?B \(/m)
    assert.match(ran.stdout, /^failed: cpu-int8 qat: .*needs data to train on/m)
    assert.match(ran.stdout, /^cpu-int8: (ptq_is_enough|stay_float|undecided)\nFor cpu-int8, /m)
    assert.match(ran.stderr, /^cpu-int8 dynamic: /m)
    const written = JSON.parse(readFileSync(file('model-comparison/comparison.json'), 'utf8'))
    assert.equal(Comparison.parse(written).rows.length, 4)
    assert.ok(existsSync(file('model-comparison/cpu-int8/static/report.html')))
    const again = await fewbit('compare model.onnx -t cpu-int8 -m dynamic -c data.npz')
    assert.deepEqual([again.code, /--force/.test(again.stderr)], [2, true])
  })

  test('gives programs one object, and ends with 3 where no row meets the goals', async () => {
    const line = 'compare model.onnx -t cpu-int8 -m dynamic -c data.npz --max-size-bytes 1 -o missed --json -q'
    const { code, stdout, stderr } = await fewbit(line)
    assert.deepEqual([code, stderr], [3, ''])
    const { output, comparison } = JSON.parse(stdout)
    assert.equal(output, 'missed')
    const { rows, goals } = Comparison.parse(comparison)
    assert.deepEqual([goals.max_size_bytes, rows[1]?.meets_goals], [1, false])
  })

  test('ends with 1 where nothing ran', async () => {
    const { code, stdout } = await fewbit('compare model.onnx -t cpu-int8 -m qat -e data.npz -o nothing -q')
    assert.equal(code, 1, stdout)
  })

  for (const [line, says] of [
    ['-m magic', /There is static, dynamic/],
    ['-m static:observer', /name=value, as in static:per_channel=false/],
    ['-m static:beauty=1 -t cpu-int8', /beauty/],
    ['-m float16 -t cpu-int8', /do not support float16/],
    ['--metric top1', /--metric says nothing without --evaluation/],
  ] as const)
    test(`refuses ${line}`, async () => {
      const { code, stderr } = await fewbit(`compare model.onnx ${line}`)
      assert.equal(code, 2, stderr)
      assert.match(stderr, says)
    })
})
