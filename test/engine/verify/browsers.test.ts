/** Artifacts for browsers run on their runtimes: WebAssembly always, WebGPU where a driver is found, and a clear line where not. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { BrowserRun, Metrics } from '../../../src/contract/report.ts'
import { ints } from '../../../src/engine/ir/build.ts'
import { inBrowsers } from '../../../src/engine/report/in-browsers.ts'
import { runApart } from '../../../src/engine/runtime/browser/run-apart.ts'
import { gpusToTry } from '../../../src/engine/runtime/browser/vulkan.ts'
import { openWorkspace } from '../../../src/engine/runtime/workspace.ts'
import { randomData } from '../../kit/data.ts'
import { type EngineResult, runEngine } from '../../kit/engine.ts'
import { buildModel, IMAGE } from '../../kit/model.ts'

let directory: string
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'fewbit-browsers-'))
})
after(() => rmSync(directory, { recursive: true }))

const WIDTH = 64

/** Two products with a Relu between: x [N,64] → y [N,64]. */
function products() {
  const m = buildModel()
  const x = m.input('x', ['N', WIDTH])
  const up = m.node('MatMul', [x, m.weight('w1', [WIDTH, 128], 0.1)], { name: 'up' })
  const hidden = m.node('Relu', [up], { name: 'relu' })
  m.output(m.node('MatMul', [hidden, m.weight('w2', [128, WIDTH], 0.1)], { name: 'down' }), 'y', ['N', WIDTH])
  return m
}

/** A convolution in front of a product: x [N,3,16,16] → y [N,10]. */
function convolution(): Uint8Array {
  const m = buildModel()
  const x = m.input('x', ['N', ...IMAGE])
  const conv = m.node('Conv', [x, m.weight('conv.w', [16, 3, 3, 3])], {
    name: 'conv',
    attributes: { kernel_shape: ints([3, 3]), strides: ints([2, 2]) },
  })
  const flat = m.node('Flatten', [conv], { name: 'flatten' })
  m.output(m.node('Gemm', [flat, m.weight('head', [784, 10])], { name: 'head' }), 'y', ['N', 10])
  return m.bytes()
}

const runOf = ({ runtimes }: Metrics, name: BrowserRun['runtime']): BrowserRun => {
  const found = runtimes.find(({ runtime }) => runtime === name)
  assert.ok(found, `no ${name}`)
  return found
}

const codes = ({ report }: EngineResult): string[] => report.warnings.map(({ code }) => code)

describe('web-wasm', () => {
  let made: EngineResult
  before(async () => {
    made = await runEngine(products().bytes(), randomData(24, [WIDTH]), {
      target: 'web-wasm',
      method: { type: 'dynamic' },
    })
  })

  test('runs float model and artifact on WebAssembly, and says how close they are', () => {
    const { report } = made
    const run = runOf(report.metrics, 'wasm')
    assert.deepEqual([run.verified, run.reason, run.version], [true, null, report.onnxruntime])
    assert.ok(run.samples > 0 && run.sqnr_db !== null && run.sqnr_db > 30, JSON.stringify(run))
    assert.ok(run.sqnr_db_to_cpu !== null && run.sqnr_db_to_cpu > 40, 'the kernels agree')
    assert.ok(run.latency_ms && run.latency_ms.runs >= 5 && run.latency_ms.threads === 1)
    assert.deepEqual([run.cpu_nodes, run.crossings], [[], null])
  })

  test('names the nodes that WebGPU leaves to the CPU, or says that it was not verified', () => {
    const run = runOf(made.report.metrics, 'webgpu')
    const found = codes(made)
    if (!run.verified) {
      assert.ok(found.includes('not_verified_on_webgpu'))
      return
    }
    const types = new Set(run.cpu_nodes.map(({ op_type }) => op_type))
    assert.ok(types.has('MatMulInteger') && types.has('DynamicQuantizeLinear'), JSON.stringify(run.cpu_nodes))
    assert.ok(run.crossings !== null && run.crossings >= 4)
    assert.ok(found.includes('runs_on_cpu'))
  })

  test('says by how much company changes a sample', () => {
    const change = made.report.metrics.fidelity?.in_batches?.max_change
    assert.ok(change !== null && change !== undefined && change > 0, String(change))
    const warning = made.report.warnings.find(({ code }) => code === 'depends_on_batch')
    assert.ok(warning?.detail.includes(change.toPrecision(2)), warning?.detail)
  })

  test('leaves convolutions float: integers are slower there', async () => {
    const { plan, report } = await runEngine(convolution(), randomData(16, IMAGE), { target: 'web-wasm' })
    const quantized = new Map(plan.nodes.map(({ op_type, quantized }) => [op_type, quantized]))
    assert.deepEqual([quantized.get('Conv'), quantized.get('MatMul') ?? quantized.get('Gemm')], [false, true])
    assert.deepEqual(report.metrics.target_conformance.violations, [])
    assert.equal(runOf(report.metrics, 'wasm').verified, true)
  })
})

describe('web-webgpu', () => {
  for (const bits of [4, 8])
    test(`${bits}-bit products stay on the GPU`, async (t) => {
      const made = await runEngine(products().bytes(), randomData(16, [WIDTH]), {
        target: 'web-webgpu',
        method: { type: 'weight_only', bits },
      })
      assert.equal(runOf(made.report.metrics, 'wasm').verified, true)
      const run = runOf(made.report.metrics, 'webgpu')
      if (!run.verified) return t.skip(run.reason ?? '')
      assert.deepEqual(run.cpu_nodes, [])
      assert.ok(run.sqnr_db !== null && run.sqnr_db > 15, JSON.stringify(run))
      assert.ok(!codes(made).includes('runs_on_cpu'))
    })
})

describe('what does not run', () => {
  test('is an outcome that says which model, and what it did', async () => {
    const workspace = openWorkspace(directory)
    const float = workspace.pack('float.onnx', products().model)
    const m = buildModel()
    const x = m.input('x', ['N', WIDTH])
    m.output(m.node('Conv', [x, m.weight('w', [8, 3, 3, 3])], { name: 'misfit' }), 'y')
    const quantized = workspace.pack('misfit.onnx', m.model)
    const { failure } = await runApart(
      { runtime: 'wasm', float, quantized, feeds: [], timed: false },
      { environment: {}, limitMs: 60_000 },
    )
    assert.deepEqual([failure?.model, failure?.verb], ['quantized', 'load'])
  })

  test('no driver: WebGPU says so before any run', async () => {
    const float = openWorkspace(directory).pack('plain.onnx', products().model)
    const environment = { VK_ICD_FILENAMES: '/nowhere.json', VK_DRIVER_FILES: '/nowhere.json' }
    const { failure } = await runApart(
      { runtime: 'webgpu', float, quantized: float, feeds: [], timed: false },
      { environment, limitMs: 60_000 },
    )
    assert.match(failure?.message ?? '', /adapter/)
  })

  test('a process that takes too long is given up', async () => {
    const float = openWorkspace(directory).pack('slow.onnx', products().model)
    const { failure } = await runApart(
      { runtime: 'wasm', float, quantized: float, feeds: [], timed: false },
      { environment: {}, limitMs: 1 },
    )
    assert.match(failure?.message ?? '', /longer than 0\.001 s/)
  })

  test('is warned of in one line', () => {
    const run: BrowserRun = {
      runtime: 'webgpu',
      verified: false,
      reason: 'no driver for Vulkan was found that it takes',
      device: 'none',
      version: null,
      samples: 0,
      sqnr_db: null,
      cosine: null,
      max_abs_error: null,
      agreement: null,
      sqnr_db_to_cpu: null,
      latency_ms: null,
      cpu_nodes: [],
      shape_nodes: null,
      crossings: null,
    }
    assert.deepEqual(inBrowsers({ runtimes: [run], fidelity: null }), [
      {
        code: 'not_verified_on_webgpu',
        detail: 'not verified on WebGPU: no driver for Vulkan was found that it takes',
      },
    ])
  })

  test('the drivers of the system are tried first', () => {
    assert.equal(gpusToTry(directory)[0]?.isHardware, true)
  })
})
