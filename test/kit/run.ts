/** Models in memory through ONNX Runtime. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomSource } from '../../src/engine/data/synthetic.ts'
import { readConstants } from '../../src/engine/ir/clone.ts'
import type { Model } from '../../src/engine/ir/graph.ts'
import { prepare } from '../../src/engine/prepare/index.ts'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import type { Session } from '../../src/engine/runtime/runtime.ts'
import { openWorkspace } from '../../src/engine/runtime/workspace.ts'
import { numbers } from '../../src/engine/verify/numbers.ts'

/** Uses an empty directory that goes afterwards. */
export async function inDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'fewbit-run-'))
  try {
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** The model as the methods get it: folded, with types and shapes. */
export const typedModel = (bytes: Uint8Array): Promise<Model> =>
  inDirectory(async (directory) => {
    const path = join(directory, 'model.onnx')
    writeFileSync(path, bytes)
    const { model } = await prepare(path, 13, openRuntime(1), openWorkspace(directory))
    readConstants(model, Number.POSITIVE_INFINITY)
    return model
  })

/** A session of the model, for as long as `use` takes. */
export const withModel = <T>(model: Model, use: (session: Session) => Promise<T>): Promise<T> =>
  inDirectory(async (directory) => {
    const path = openWorkspace(directory).save('model.onnx', model)
    const session = await openRuntime(1).load(path, { optimization: 'all', exactProducts: true })
    return use(session).finally(() => session.release())
  })

/** Elements of the first output for `samples` uniform random inputs, the same ones every time. Free dimensions after the first are 1. */
export const outputsOf = (model: Model, samples = 3): Promise<number[]> =>
  withModel(model, async (session) => {
    const random = randomSource(11)
    const feeds = session.inputs.map(({ name, shape }) => {
      const dims = shape.map((dim, axis) => (typeof dim === 'number' ? dim : axis === 0 ? samples : 1))
      const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => 2 * random() - 1)
      return [name, { dtype: 'float32' as const, dims, data }] as const
    })
    const [output] = Object.values(await session.run(Object.fromEntries(feeds)))
    return [...numbers(output!)]
  })
