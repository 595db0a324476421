/** The walks through the API in README and docs, executed as they stand there. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import type { Model } from '../../src/engine/ir/graph.ts'
import { saveModel } from '../../src/engine/onnx/index.ts'
import { randomData } from '../kit/data.ts'
import { buildModel, convNet, IMAGE } from '../kit/model.ts'
import { type Service, startService } from '../kit/service.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const PAGES = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => join('docs', name))]

/** Blocks of a page that call the API. */
const scriptsOf = (page: string): string[] =>
  [...readFileSync(join(ROOT, page), 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)]
    .map(([, text]) => text!)
    .filter((text) => text.includes('/v1/jobs'))

const WALKS = PAGES.flatMap((page) => scriptsOf(page).map((script, i) => ({ name: `${page}, ${i + 1}`, script })))
const missing = ['bash', 'curl', 'jq'].filter((tool) => spawnSync(tool, ['--version']).error)
const skip = missing.length > 0 ? `${missing.join(', ')} not installed` : false

let service: Service
let directory: string
before(async () => {
  service = await startService({}, ['api', 'worker'])
  directory = await mkdtemp(join(tmpdir(), 'fewbit-readme-'))
})
after(async () => {
  await service.close()
  await rm(directory, { recursive: true })
})

test('there are walks to take', () => assert.ok(WALKS.some(({ name }) => name.startsWith('README'))))

/** x [N,256] → y [N,256] */
function wideLayers(): Model {
  const m = buildModel()
  const hidden = m.node('Relu', [m.node('MatMul', [m.input('x', ['N', 256]), m.weight('first', [256, 256], 0.1)])])
  m.output(m.node('MatMul', [hidden, m.weight('second', [256, 256], 0.1)]), 'y', ['N', 256])
  return m.model
}

for (const { name, script } of WALKS) {
  test(`the commands of ${name} work`, { skip }, async () => {
    await writeFile(join(directory, 'model.onnx'), convNet())
    saveModel(wideLayers(), join(directory, 'large.onnx'), { mostBytes: 0 })
    await writeFile(join(directory, 'calibration.npz'), randomData(40, IMAGE))
    const commands = script.replaceAll('localhost:8080', service.url)
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', commands], { cwd: directory })
    assert.match(stdout, /event: job\.succeeded/)
    assert.match(stdout, /"sqnr_db":/)
    if (!script.includes('quantized.onnx')) return
    assert.ok((await stat(join(directory, 'quantized.onnx'))).size > 1000)
  })
}
