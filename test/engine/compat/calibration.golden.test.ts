/** From calibration data to scales: the whole of quantize_static with its calibrator, against what ONNX Runtime 1.30 wrote. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import type { CompatCalibration } from '../../../src/contract/compat.ts'
import { quantizeQdqLikeOrt } from '../../../src/engine/compat/qdq/index.ts'
import { openNpz, readElements } from '../../../src/engine/data/npz.ts'
import { type Viewable, view } from '../../../src/engine/ir/tensor.ts'
import { compatRanges } from '../../../src/engine/methods/compat/calibration.ts'
import type { MethodInput } from '../../../src/engine/methods/method.ts'
import { decodeModel } from '../../../src/engine/onnx/index.ts'
import { applyTypes, inferTypes } from '../../../src/engine/prepare/types.ts'
import { openRuntime } from '../../../src/engine/runtime/ort.ts'
import type { ElementArray, RunTensor } from '../../../src/engine/runtime/runtime.ts'
import { openWorkspace } from '../../../src/engine/runtime/workspace.ts'
import { casesWith, openCase, skip } from './cases.ts'
import { qdqTensors } from './tables.ts'

const AVERAGE = { averaging_constant: 0.1 }
const SETS: Readonly<Record<string, ['minmax' | 'moving_average', CompatCalibration]>> = {
  qdq_u8s8_pc: ['minmax', {}],
  qdq_moving_average: ['moving_average', AVERAGE],
  qdq_moving_average_strided: ['moving_average', { ...AVERAGE, stride: 2 }],
  qdq_calib_symmetric: ['minmax', { symmetric: true }],
}
const CASES = ['conv_bias', 'matmul_const', 'conv_relu_pool', 'residual_block', 'opset21_mlp']

async function samplesOf(path: string): Promise<Record<string, RunTensor>[]> {
  const archive = await openNpz(path)
  const samples: Record<string, RunTensor>[] = []
  for (const member of archive.members) {
    const { dtype, shape } = member.header
    const all = view({ dtype, shape, data: await readElements(member) }, dtype as Viewable) as ElementArray
    const size = all.length / shape[0]!
    for (let i = 0; i < shape[0]!; i++) {
      samples[i] ??= {}
      samples[i]![member.name] = { dtype, dims: shape.slice(1), data: all.slice(i * size, (i + 1) * size) }
    }
  }
  archive.close()
  return samples
}

describe('calibration like onnxruntime', { skip }, () => {
  for (const [set, [observer, options]] of Object.entries(SETS)) {
    for (const name of CASES.filter((wanted) => casesWith(set).includes(wanted))) {
      test(`${name} ${set}`, async () => {
        const golden = openCase(name, set)
        const folder = mkdtempSync(join(tmpdir(), 'fewbit-calibration-'))
        try {
          const path = join(dirname(golden.file), 'model.onnx')
          const [runtime, workspace] = [openRuntime(1), openWorkspace(folder)]
          const { model } = decodeModel(path)
          applyTypes(model, await inferTypes(model, runtime, workspace, { aside: false }))
          const samples = await samplesOf(join(dirname(golden.file), 'calibration.npz'))
          const batches = {
            samples: samples.length,
            length: samples.length,
            async *[Symbol.asyncIterator]() {
              yield* samples
            },
          }
          const input = { runtime, workspace, prepared: { model }, progress: () => {} } as unknown as MethodInput
          const ranges = await compatRanges(input, batches, observer, options)
          quantizeQdqLikeOrt(golden.model, ranges, golden.options)
          const found = qdqTensors(golden.model)
          for (const [tensor, { scaleHex, zeroPoint }] of Object.entries(golden.expected.tensors)) {
            assert.deepEqual([found[tensor]?.scaleHex].flat(), [scaleHex].flat(), tensor)
            assert.deepEqual([found[tensor]?.zeroPoint].flat(), [zeroPoint].flat(), tensor)
          }
        } finally {
          rmSync(folder, { recursive: true })
        }
      })
    }
  }
})
