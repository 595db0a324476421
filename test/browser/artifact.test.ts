/** An artifact in headless Chromium, under onnxruntime-web: it gives the numbers that the job promised. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { type Quantized, quantize } from '../../src/engine/index.ts'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import { browserPath, launch, type Site, serve } from '../kit/browser.ts'
import { randomData } from '../kit/data.ts'
import { buildModel } from '../kit/model.ts'
import { inDirectory } from '../kit/run.ts'

const WIDTH = 64
const INPUT = Array.from({ length: WIDTH }, (_, i) => Math.sin(i))

function network(): Uint8Array {
  const m = buildModel()
  const x = m.input('x', ['N', WIDTH])
  const up = m.node('Relu', [m.node('MatMul', [x, m.weight('w1', [WIDTH, 128], 0.1)], { name: 'up' })])
  m.output(m.node('MatMul', [up, m.weight('w2', [128, WIDTH], 0.1)], { name: 'down' }), 'y', ['N', WIDTH])
  return m.bytes()
}

const PAGE = `<!doctype html><title>fewbit</title><script type="module">
import * as ort from '/ort/ort.wasm.min.mjs'
ort.env.wasm.wasmPaths = '/ort/'
window.compute = async (model, input) => {
  const session = await ort.InferenceSession.create('/' + model, { executionProviders: ['wasm'] })
  const results = await session.run({ x: new ort.Tensor('float32', Float32Array.from(input), [1, input.length]) })
  return Array.from(results.y.data)
}
window.isReady = true
</script>`

const decibels = (float: readonly number[], other: readonly number[]): number => {
  const noise = float.reduce((sum, x, i) => sum + (x - (other[i] ?? 0)) ** 2, 0)
  return 10 * Math.log10(float.reduce((sum, x) => sum + x * x, 0) / noise)
}

describe('an artifact in a browser', { skip: browserPath === null && 'no Chromium is installed' }, () => {
  let browser: Browser
  let site: Site
  const made: Record<string, Quantized> = {}
  before(async () => {
    const data = randomData(24, [WIDTH])
    for (const target of ['web-wasm', 'web-webgpu'] as const)
      made[target] = await quantize(network(), { target, evaluation: data, threads: 1 })
    const files = Object.fromEntries(Object.entries(made).map(([name, { artifact }]) => [`${name}.onnx`, artifact]))
    site = await serve({ 'page.html': PAGE, 'float.onnx': network(), ...files })
    browser = await launch(browserPath ?? '')
  })
  after(async () => {
    await browser?.close()
    await site?.close()
  })

  const inPage = async (model: string): Promise<number[]> => {
    const page = await browser.newPage()
    await page.goto(`${site.url}/page.html`)
    await page.waitForFunction('window.isReady')
    const found = await page.evaluate<number[]>(`window.compute(${JSON.stringify(model)}, ${JSON.stringify(INPUT)})`)
    await page.close()
    return found
  }

  const here = (artifact: Uint8Array): Promise<number[]> =>
    inDirectory(async (directory) => {
      const path = join(directory, 'model.onnx')
      writeFileSync(path, artifact)
      const session = await openRuntime(1).load(path, { optimization: 'all', exactProducts: true })
      const { y } = await session.run({ x: { dtype: 'float32', dims: [1, WIDTH], data: Float32Array.from(INPUT) } })
      await session.release()
      return Array.from(y?.data as Float32Array)
    })

  for (const target of ['web-wasm', 'web-webgpu'])
    test(`${target}: the numbers of the job`, async () => {
      const { artifact, report } = made[target] as Quantized
      const run = report.metrics.runtimes.find(({ runtime }) => runtime === 'wasm')
      assert.ok(run?.verified && run.sqnr_db !== null)
      const [float, quantized] = [await inPage('float.onnx'), await inPage(`${target}.onnx`)]
      assert.ok(decibels(await here(artifact), quantized) > 40, 'as on this processor')
      const kept = decibels(float, quantized)
      assert.ok(Math.abs(kept - run.sqnr_db) < 6, `${kept} dB in the page, ${run.sqnr_db} dB promised`)
    })
})
