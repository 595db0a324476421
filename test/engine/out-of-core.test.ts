/** Models that no process holds: what comes out is what comes out of a process that does. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { int, ints } from '../../src/engine/ir/build.ts'
import { toFloat16 } from '../../src/engine/ir/float16.ts'
import type { Value } from '../../src/engine/ir/graph.ts'
import { float32, int64, type Tensor } from '../../src/engine/ir/tensor.ts'
import { dataFileOf, decodeModel, saveModel } from '../../src/engine/onnx/index.ts'
import { partition } from '../../src/engine/out-of-core/partition.ts'
import { inParts } from '../../src/engine/out-of-core/parts.ts'
import { weightBytes } from '../../src/engine/out-of-core/weights.ts'
import { applyTypes, inferTypes } from '../../src/engine/prepare/types.ts'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import type { RunTensor } from '../../src/engine/runtime/runtime.ts'
import { openWorkspace } from '../../src/engine/runtime/workspace.ts'
import { randomData } from '../kit/data.ts'
import { runEngine } from '../kit/engine.ts'
import { type Builder, buildModel } from '../kit/model.ts'

const WIDTH = 192
const LAYERS = 6
const runtime = openRuntime(1)
const directory = mkdtempSync(join(tmpdir(), 'fewbit-large-'))
after(() => rmSync(directory, { recursive: true }))

/** Residual blocks of matrices: input x [N, 192], output y [N, 192]; `product` makes each product. */
function tower(product: (m: Builder, x: Value, layer: number) => Value = plain): Builder {
  const m = buildModel(17, 5)
  let x = m.input('x', ['N', WIDTH])
  for (let layer = 0; layer < LAYERS; layer++) {
    const hidden = m.node('Relu', [product(m, x, layer)], { name: `relu${layer}` })
    x = m.node('Add', [hidden, x], { name: `add${layer}` })
  }
  m.output(x, 'y', ['N', WIDTH])
  return m
}

const plain = (m: Builder, x: Value, layer: number): Value =>
  m.node('MatMul', [x, m.weight(`w${layer}`, [WIDTH, WIDTH], 0.05)], { name: `product${layer}` })

/** weights as a Constant node, transposed, and converted from half precision */
function folded(m: Builder, x: Value, layer: number): Value {
  const name = `product${layer}`
  const weight = m.weight(`w${layer}`, [WIDTH, WIDTH], 0.05)
  if (layer % 3 === 0)
    return m.node('MatMul', [x, m.node('Transpose', [weight], { attributes: { perm: ints([1, 0]) } })], { name })
  const tensor = weight.tensor as Tensor
  m.model.graph.initializers.delete(weight)
  if (layer % 3 === 1) {
    const constant = m.node('Constant', [], { attributes: { value: { kind: 'tensor', value: tensor } } })
    return m.node('MatMul', [x, constant], { name })
  }
  const numbers = new Float32Array((tensor.data as Uint8Array).buffer)
  const half = { dtype: 'float16', shape: tensor.shape, data: new Uint8Array(toFloat16(numbers).buffer) } as const
  const cast = m.node('Cast', [m.constant(`half${layer}`, half)], { attributes: { to: int(1) } })
  return m.node('MatMul', [x, cast], { name })
}

const rows = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count * WIDTH }, (_, i) => Math.sin(i * 0.37 + seed))
const feeds: Record<string, RunTensor> = { x: { dtype: 'float32', dims: [3, WIDTH], data: rows(3, 1) } }

async function outputOf(path: string, through = runtime): Promise<unknown> {
  const session = await through.load(path, { optimization: 'all' })
  const { y } = await session.run(feeds)
  await session.release()
  return y!.data
}

describe('a model past the size of one file', () => {
  test('lies in two files, the weights aligned to pages, and computes the same', async () => {
    const { model } = tower()
    const [one, two] = [join(directory, 'one.onnx'), join(directory, 'two.onnx')]
    saveModel(model, one)
    saveModel(model, two, { mostBytes: 100_000 })
    assert.ok(statSync(two).size < 10_000)
    assert.ok(statSync(dataFileOf(two)).size >= weightBytes(model))
    for (const { tensor } of decodeModel(two).model.graph.initializers) {
      const data = tensor!.data
      assert.ok(!(data instanceof Uint8Array) && data.offset % 4096 === 0)
    }
    assert.deepEqual(await outputOf(two), await outputOf(one))
  })

  test('needs no second copy of weights that lie in the same directory', async () => {
    const workspace = openWorkspace(directory)
    const { model } = tower()
    for (const value of model.graph.initializers) value.tensor = workspace.keep(value.tensor!)
    const path = workspace.save('refers.onnx', model)
    assert.ok(statSync(path).size < 10_000)
    assert.deepEqual(await outputOf(path), await outputOf(workspace.pack('stands.onnx', model)))
  })
})

describe('a model in parts', () => {
  test('each part has few weights, and together they compute the same', async () => {
    const workspace = openWorkspace(directory)
    const path = workspace.pack('whole.onnx', tower().model)
    const { model } = decodeModel(path)
    applyTypes(model, await inferTypes(model, runtime, workspace, { aside: true }))
    const parts = partition(model, 2 * 4 * WIDTH ** 2)
    assert.equal(parts.length, LAYERS / 2)
    assert.deepEqual(parts[1]!.inputs, parts[0]!.outputs)
    const divided = inParts(runtime, workspace, 16 * 1.5 * 4 * WIDTH ** 2)
    assert.deepEqual(await outputOf(path, divided), await outputOf(path))
  })

  test('values that live long, subgraphs that read from outside and constant outputs come through', async () => {
    const workspace = openWorkspace(directory)
    const m = tower((own, x, layer) => {
      const product = plain(own, x, layer)
      if (layer !== LAYERS - 1) return product
      const branch = (name: string, factor: number) => {
        const inner = buildModel(17)
        inner.output(
          inner.node('Mul', [own.model.graph.inputs[0]!, inner.constant(`${name}_factor`, float32([], [factor]))]),
          name,
        )
        return { kind: 'graph', value: inner.model.graph } as const
      }
      const condition = own.node('Equal', [own.constant('a', int64([], [1])), own.constant('b', int64([], [1]))])
      const chosen = own.node('If', [condition], {
        attributes: { then_branch: branch('then_out', 2), else_branch: branch('else_out', 3) },
      })
      return own.node('Add', [product, chosen])
    })
    const constant = [...m.model.graph.initializers].find(({ name }) => name === 'w2')!
    m.model.graph.outputs.push(constant)
    const path = workspace.pack('captures.onnx', m.model)
    const divided = inParts(runtime, workspace, 16 * 4 * WIDTH ** 2)
    const run = async (through: typeof runtime) => {
      const session = await through.load(path, { optimization: 'basic' })
      return session.run(feeds)
    }
    assert.deepEqual(await run(divided), await run(runtime))
  })
})

describe('a job with less memory than its model needs', () => {
  const data = randomData(24, [WIDTH])
  for (const [name, make] of [
    ['plain weights', plain],
    ['weights that are computed from constants', folded],
  ] as const) {
    for (const method of [
      { type: 'weight_only', bits: 4, search: false },
      { type: 'dynamic' },
      { type: 'static', observer: 'minmax' },
    ]) {
      test(`${method.type}, ${name}: the artifact is the same`, async () => {
        const bytes = tower(make).bytes()
        const recipe = { method, target: method.type === 'weight_only' ? 'cpu-int4' : 'cpu-int8' }
        const roomy = await runEngine(bytes, data, recipe)
        const narrow = await runEngine(bytes, data, recipe, { memoryBytes: 2 ** 20 })
        assert.equal(narrow.report.metrics.coverage.nodes_quantized, roomy.report.metrics.coverage.nodes_quantized)
        // float products of transposed weights are summed in another order
        assert.ok(Math.abs(narrow.report.metrics.fidelity!.sqnr_db - roomy.report.metrics.fidelity!.sqnr_db) < 1e-3)
        // names of folded values differ
        assert.ok(
          Math.abs(narrow.report.metrics.size_bytes.quantized - roomy.report.metrics.size_bytes.quantized) < 200,
        )
        assert.ok(narrow.report.warnings.some(({ code }) => code === 'measured_in_parts'))
        assert.ok(narrow.report.metrics.latency_ms!.float.p50 > 0)
      })
    }
  }
})
