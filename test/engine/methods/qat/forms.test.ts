/** Networks in forms that training did not take once: each trains, and its artifact follows the float model. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { int, ints } from '../../../../src/engine/ir/build.ts'
import type { Attribute, Value } from '../../../../src/engine/ir/graph.ts'
import { tensorOf } from '../../../../src/engine/ir/tensor.ts'
import { randomData } from '../../../kit/data.ts'
import { type Builder, buildModel } from '../../../kit/model.ts'
import { runTraining } from '../../../kit/training.ts'

const CHANNELS = 8
type Layer = (m: Builder, x: Value) => Value

const pool =
  (opType: string, attributes: Record<string, Attribute>): Layer =>
  (m, x) =>
    m.node(opType, [x], { attributes: { ceil_mode: int(1), ...attributes } })

const transposed =
  (attributes: Record<string, Attribute>): Layer =>
  (m, x) =>
    m.node('ConvTranspose', [x, m.weight('back', [CHANNELS, CHANNELS, 3, 3], 0.2)], {
      attributes: { kernel_shape: ints([3, 3]), strides: ints([2, 2]), ...attributes },
    })

const window = (kernel: number, stride: number) => ({
  kernel_shape: ints([kernel, kernel]),
  strides: ints([stride, stride]),
})

/** between a convolution of [N, 8, 9, 9] and another */
const LAYERS: Record<string, Layer> = {
  'ConvTranspose with output_padding beyond the kernel': transposed({ output_padding: ints([1, 1]) }),
  'ConvTranspose with a larger output_shape': transposed({ output_shape: ints([20, 20]) }),
  'ConvTranspose with a smaller output_shape': transposed({ output_shape: ints([18, 16]) }),
  'MaxPool whose last window hangs over': pool('MaxPool', window(2, 2)),
  'MaxPool whose last window would start outside': pool('MaxPool', window(2, 3)),
  'MaxPool over padding, rounded up': pool('MaxPool', { ...window(3, 3), pads: ints([1, 1, 1, 1]) }),
  'AveragePool whose last window would start outside': pool('AveragePool', window(2, 3)),
  'AveragePool that counts padding': pool('AveragePool', {
    ...window(3, 2),
    pads: ints([1, 1, 1, 1]),
    count_include_pad: int(1),
  }),
}

function network(layer: Layer): Uint8Array {
  const m = buildModel()
  const first = m.node('Conv', [m.input('x', ['N', 3, 9, 9]), m.weight('w', [CHANNELS, 3, 3, 3])], {
    attributes: { pads: ints([1, 1, 1, 1]) },
  })
  const second = m.node('Conv', [layer(m, m.node('Relu', [first])), m.weight('v', [4, CHANNELS, 1, 1])])
  m.output(m.node('Flatten', [m.node('GlobalAveragePool', [second])]), 'y')
  return m.bytes()
}

/** Two products in double precision, or behind a Scaler, of which ONNX Runtime infers no rank. */
function products(dtype: 'float32' | 'float64'): Uint8Array {
  const m = buildModel()
  const input = m.input('x', ['N', 16], dtype)
  const weight = (name: string, shape: [number, number]) =>
    dtype === 'float32'
      ? m.weight(name, shape)
      : m.constant(
          name,
          tensorOf(
            'float64',
            shape,
            Float64Array.from({ length: shape[0] * shape[1] }, (_, i) => 0.3 * Math.sin(i * i)),
          ),
        )
  const floats = (value: number): Attribute => ({ kind: 'floats', value: new Array(16).fill(value) })
  m.model.opsets.set('ai.onnx.ml', 1)
  const scaler = { domain: 'ai.onnx.ml', attributes: { offset: floats(0.1), scale: floats(1.5) } }
  const x = dtype === 'float32' ? m.node('Scaler', [input], scaler) : input
  const hidden = m.node('Relu', [m.node('MatMul', [x, weight('w', [16, 32])])])
  m.output(m.node('MatMul', [hidden, weight('v', [32, 8])]), 'y', undefined, dtype)
  return m.bytes()
}

const RECIPE = { target: 'cpu-int8-avx2', method: { type: 'qat' }, training: { steps: 4 } }

async function assertTrains(model: Uint8Array, shape: readonly number[]): Promise<void> {
  const { report } = await runTraining({ model, training: randomData(48, shape), recipe: RECIPE })
  assert.equal(report.training!.steps, 4)
  assert.ok(report.metrics.fidelity!.sqnr_db > 25, `${report.metrics.fidelity!.sqnr_db} dB`)
}

describe('training takes', () => {
  for (const [name, layer] of Object.entries(LAYERS)) test(name, () => assertTrains(network(layer), [3, 9, 9]))
  test('a model in double precision', () => assertTrains(products('float64'), [16]))
  test('a Scaler in front', () => assertTrains(products('float32'), [16]))
})
