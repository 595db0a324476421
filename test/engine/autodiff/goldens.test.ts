/** Gradients against vectors computed by another framework in double precision. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { toRowMajor } from '../../../src/engine/data/layout.ts'
import { openNpz, readElements } from '../../../src/engine/data/npz.ts'
import type { Model } from '../../../src/engine/ir/graph.ts'
import { entryOf } from '../../../src/engine/ir/list.ts'
import { tensorOf, type Viewable, view } from '../../../src/engine/ir/tensor.ts'
import type { ElementArray, RunTensor } from '../../../src/engine/runtime/runtime.ts'
import { readGolden, sharedFile } from '../../kit/goldens.ts'
import { addGradients, inferTypes, readModel, runOnce } from './run-gradients.ts'

interface Case {
  name: string
  inputs: { name: string; present: boolean; gradient: boolean }[]
  outputs: { name: string }[]
}

const root = sharedFile('goldens', 'ort-1.30', 'gradients')
const cases = root ? readGolden<{ cases: Case[] }>(join(root, 'index.json')).cases : []

async function arraysOf(path: string): Promise<Map<string, RunTensor>> {
  const archive = await openNpz(path)
  try {
    const arrays = new Map<string, RunTensor>()
    for (const member of archive.members) {
      const { dtype, shape } = member.header
      const bytes = toRowMajor((await readElements(member)).slice(), member.header)
      arrays.set(member.name, {
        dtype,
        dims: shape,
        data: view(tensorOf(dtype, shape, bytes), dtype as Viewable) as ElementArray,
      })
    }
    return arrays
  } finally {
    archive.close()
  }
}

/** Turns axes, sizes and the like into constants, as they are in a prepared model. */
function fixParameters({ graph }: Model, arrays: ReadonlyMap<string, RunTensor>): void {
  for (const value of [...graph.inputs]) {
    const array = arrays.get(`in.${value.name}`)
    if (array?.dtype !== 'int64' || value.name === 'indices') continue
    value.tensor = tensorOf(array.dtype, array.dims, array.data as ElementArray)
    graph.inputs.splice(graph.inputs.indexOf(value), 1)
    graph.addInitializer(value)
  }
}

function assertClose(actual: RunTensor, expected: RunTensor, what: string): void {
  assert.deepEqual(actual.dims, expected.dims, what)
  const [a, b] = [actual.data as Float32Array, expected.data as Float32Array]
  for (let i = 0; i < b.length; i++)
    assert.ok(Math.abs(a[i]! - b[i]!) <= 1e-4 * Math.abs(b[i]!) + 1e-5, `${what}[${i}]: ${a[i]} instead of ${b[i]}`)
}

describe('the gradient of', { skip: root ? false : 'golden vectors are not here' }, () => {
  for (const { name, inputs, outputs } of cases) {
    test(name, async () => {
      const arrays = await arraysOf(join(root!, `${name}.npz`))
      const model = readModel(join(root!, `${name}.onnx`))
      fixParameters(model, arrays)
      await inferTypes(model)
      const trained = new Set(inputs.filter(({ gradient }) => gradient).map((input) => input.name))
      const wrt = [...model.graph.inputs, ...model.graph.initializers].filter((value) => trained.has(value.name))
      const gradients = addGradients(model, wrt)
      const feeds: Record<string, RunTensor> = {}
      for (const { name } of model.graph.inputs) {
        const array = arrays.get(name.startsWith('d/') ? `dY.${name.slice(2)}` : `in.${name}`)
        if (array) feeds[name] = array
      }
      assert.equal(Object.keys(feeds).filter((key) => key.startsWith('d/')).length, outputs.length)
      const results = await runOnce(model, feeds)
      for (const input of trained)
        assertClose(entryOf(results, gradients.get(input)!), arrays.get(`grad.${input}`)!, `d ${input}`)
    })
  }
})
