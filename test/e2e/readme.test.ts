/** The README's walk through the API, executed as it stands there. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { randomData } from '../kit/data.ts'
import { convNet, IMAGE } from '../kit/model.ts'
import { type Service, startService } from '../kit/service.ts'

const README = join(import.meta.dirname, '..', '..', '..', 'README.md')
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

test('the commands upload, quantize, follow and download', { skip }, async () => {
  const blocks = [...(await readFile(README, 'utf8')).matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text]) => text!)
  const script = blocks.find((block) => block.includes('/v1/jobs'))
  assert.ok(script, 'no block calls the API')
  await writeFile(join(directory, 'model.onnx'), convNet())
  await writeFile(join(directory, 'calibration.npz'), randomData(40, IMAGE))
  const commands = script.replaceAll('localhost:8080', service.url)
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', commands], { cwd: directory })
  assert.match(stdout, /event: job\.succeeded/)
  assert.match(stdout, /"sqnr_db":/)
  assert.ok((await stat(join(directory, 'quantized.onnx'))).size > 1000)
})
