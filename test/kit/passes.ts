/** Runs passes on small models, and ONNX Runtime on what is before and after. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { after } from 'node:test'
import { findFeeds } from '../../src/engine/data/synthetic.ts'
import { type Model, sortedNodes, type Value } from '../../src/engine/ir/graph.ts'
import { type Pass, runPasses } from '../../src/engine/passes/pass.ts'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import { openWorkspace } from '../../src/engine/runtime/workspace.ts'
import { type Builder, buildModel } from './model.ts'

const runtime = openRuntime(1)
const directory = mkdtempSync(`${tmpdir()}/fewbit-passes-`)
after(() => rmSync(directory, { recursive: true }))
const workspace = openWorkspace(directory)

/** Applies `change`, which may return another model, and compares results before and after on made-up inputs. */
export async function sameResults(model: Model, change: (model: Model) => unknown, tolerance = 1e-5): Promise<void> {
  const before = await runtime.load(workspace.save('before.onnx', model), { optimization: 'disabled' })
  const feeds = await findFeeds(before, 5)
  assert.ok(feeds, 'the model does not run')
  const expected = await before.run(feeds)
  const changed = ((await change(model)) as Model | undefined) ?? model
  const after = await runtime.load(workspace.save('after.onnx', changed), { optimization: 'disabled' })
  const found = await after.run(feeds)
  for (const [name, { data, dims }] of Object.entries(expected)) {
    assert.deepEqual(found[name]?.dims, dims)
    for (const [i, x] of (data as Float32Array).entries()) {
      assert.ok(
        Math.abs(x - (found[name]!.data[i] as number)) <= tolerance,
        `${name}[${i}]: ${x} and ${found[name]!.data[i]}`,
      )
    }
  }
}

export const apply =
  (...passes: Pass[]) =>
  (model: Model) =>
    runPasses(model, passes)

/** A model from x to y. */
export function oneNode(opset: number, shape: readonly number[], make: (m: Builder, x: Value) => Value): Model {
  const m = buildModel(opset)
  m.output(make(m, m.input('x', [...shape])), 'y')
  return m.model
}

/** Operators of the graph, producers first. */
export const operatorsOf = ({ graph }: Model): string[] => sortedNodes(graph).map(({ opType }) => opType)
