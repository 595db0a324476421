/** Every example of docs/library.md, run as it stands in a directory with a model and data. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { randomData } from '../kit/data.ts'
import { buildModel } from '../kit/model.ts'
import { blocksOf, ROOT } from './blocks.ts'

const EXAMPLES = blocksOf('library.md').filter(({ language }) => language === 'js')

let directory: string

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'library-page-'))
  const m = buildModel()
  const hidden = m.node('MatMul', [m.input('x', ['N', 8]), m.weight('w', [8, 16])], { name: 'first' })
  m.output(m.node('MatMul', [m.node('Relu', [hidden]), m.weight('v', [16, 4])], { name: 'second' }), 'y', ['N', 4])
  writeFileSync(join(directory, 'model.onnx'), m.bytes())
  writeFileSync(join(directory, 'calibration.npz'), randomData(40, [8]))
  symlinkSync(ROOT, join(directory, 'fewbit'))
})

after(() => rmSync(directory, { recursive: true }))

async function run(index: number): Promise<string> {
  const file = join(directory, `example-${index}.mjs`)
  writeFileSync(file, EXAMPLES[index]?.text ?? assert.fail(`there is no example ${index}`))
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: directory })
  return stdout
}

describe('the library page', () => {
  test('has no example that is not run here', () => assert.equal(EXAMPLES.length, 5))

  test('quantizes a file into a directory', async () => {
    const said = await run(0)
    assert.match(said, /quantized[\\/]model\.onnx\n/)
    assert.match(said, /of the size, \d+\.\d dB/)
    const made = readdirSync(join(directory, 'quantized')).toSorted()
    assert.deepEqual(made, ['model.onnx', 'plan.json', 'report.html', 'report.json'])
  })

  test('quantizes bytes with progress, and leaves the excluded node in float', async () => {
    const said = await run(1)
    assert.match(said, /100 % /)
    assert.match(said, /^first in float excluded by the request$/m)
    assert.match(said, /^second in integers /m)
    assert.match(said, /^held_out$/m)
    assert.ok(existsSync(join(directory, 'smaller.onnx')))
  })

  test('says what each target would make of the model', async () => {
    const said = await run(2)
    assert.match(said, /^\{ MatMul: 2, Relu: 1 \} 192$/m)
    assert.match(said, /^cpu-int8, static: [23] of 3 nodes, 0 of 768 bytes stay$/m)
    assert.match(said, /^gpu-float16, float16: 3 of 3 nodes, 0 of 768 bytes stay$/m)
    assert.match(said, /^cpu-int4[,:] .*/m)
  })

  test('compares methods, and points at every number of the recommendation', async () => {
    const said = await run(3)
    assert.match(said, /^float succeeded /m)
    assert.match(said, /^static_2 succeeded .* (better|worse|equal|unclear)$/m)
    assert.match(said, /^(ptq_is_enough|qat_pays|stay_float|undecided)$/m)
    assert.match(said, /^For cpu-int8, /m)
    assert.match(said, /^\/rows\/\d\/tests\/float\/gain$/m)
    assert.match(said, /^4 results/m)
  })

  test('ends at an abort with its code', async () => assert.match(await run(4), /^canceled /))
})
