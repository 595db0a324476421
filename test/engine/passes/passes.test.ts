/** Each pass: what it makes of a small model, and that ONNX Runtime computes the same before and after. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Recipe } from '../../../src/contract/recipe.ts'
import { float, int, ints } from '../../../src/engine/ir/build.ts'
import type { Model, Value } from '../../../src/engine/ir/graph.ts'
import { print } from '../../../src/engine/ir/print.ts'
import { float32, int64 } from '../../../src/engine/ir/tensor.ts'
import { foldAffine } from '../../../src/engine/passes/affine/index.ts'
import { constantArithmetic } from '../../../src/engine/passes/constant-arithmetic.ts'
import { meanToPool } from '../../../src/engine/passes/mean-to-pool.ts'
import { normalizeGemm } from '../../../src/engine/passes/normalize-gemm.ts'
import { type Pass, runPasses } from '../../../src/engine/passes/pass.ts'
import { plainNames } from '../../../src/engine/passes/plain-names.ts'
import { removeUnused } from '../../../src/engine/passes/remove-unused.ts'
import { shareInitializers } from '../../../src/engine/passes/share-initializers.ts'
import { upgradeOpset } from '../../../src/engine/passes/upgrade-opset.ts'
import { rewritesFor } from '../../../src/engine/prepare/rewrites.ts'
import { TARGETS } from '../../../src/engine/targets/index.ts'
import { type Builder, buildModel } from '../../kit/model.ts'
import { apply, oneNode, sameResults } from '../../kit/passes.ts'

const linesOf = (model: Model, pattern: RegExp): string[] =>
  print(model)
    .split('\n')
    .filter((line) => pattern.test(line))
test('Gemm: alpha goes into the weight, beta into the bias', async () => {
  const model = oneNode(17, [2, 8], (m, x) =>
    m.node('Gemm', [x, m.weight('w', [8, 4]), m.weight('b', [4])], {
      name: 'g',
      attributes: { alpha: float(0.5), beta: float(2) },
    }),
  )
  await sameResults(model, apply(normalizeGemm))
  assert.deepEqual(linesOf(model, /Gemm/), ['y = Gemm(x, w_alpha, b_beta)'])
})

test('unused nodes, constants and operator sets go; the graph keeps its signature', async () => {
  const model = oneNode(17, [2, 8], (m, x) => {
    m.node('Neg', [m.node('Abs', [x])])
    m.weight('unused', [1000])
    m.model.opsets.set('com.microsoft', 1)
    return m.node('Relu', [x])
  })
  await sameResults(model, apply(removeUnused))
  assert.equal(print(model), 'opset ai.onnx 17\ninput x: float32[2,8]\ny = Relu(x)\noutput y: float32')
})

test('equal constants become one', async () => {
  const model = oneNode(17, [2, 4], (m, x) => {
    const [a, b] = ['a', 'b'].map((name) => m.constant(name, float32([4], [1, 2, 3, 4])))
    return m.node('Mul', [m.node('Add', [x, a!]), b!])
  })
  await sameResults(model, apply(shareInitializers))
  assert.equal(linesOf(model, /^constant/).length, 1)
})

test('names that ONNX Runtime made give way to those of the author', () => {
  const m = buildModel()
  const x = m.input('x', [1, 3, 4, 4])
  m.output(m.node('Conv', [x, m.weight('ConvBnFusion_W_stem.weight', [2, 3, 1, 1])]), 'y')
  runPasses(m.model, [plainNames])
  assert.deepEqual(linesOf(m.model, /Conv/), ['y = Conv(x, stem.weight)'])
})

const UPGRADES: [string, number, number[], (m: Builder, x: Value) => Value][] = [
  ['Clip 6', 7, [2, 8], (m, x) => m.node('Clip', [x], { attributes: { min: float(-0.5), max: float(0.5) } })],
  ['Pad 2', 7, [2, 3], (m, x) => m.node('Pad', [x], { attributes: { pads: ints([0, 1, 0, 2]), value: float(0.25) } })],
  [
    'Slice 1',
    7,
    [4, 6],
    (m, x) => m.node('Slice', [x], { attributes: { starts: ints([1]), ends: ints([5]), axes: ints([1]) } }),
  ],
  ['Squeeze 1', 7, [2, 1, 3], (m, x) => m.node('Squeeze', [x], { attributes: { axes: ints([1]) } })],
  ['Unsqueeze 1', 7, [2, 3], (m, x) => m.node('Unsqueeze', [x], { attributes: { axes: ints([0]) } })],
  [
    'ReduceSum 1',
    7,
    [2, 3, 4],
    (m, x) => m.node('ReduceSum', [x], { attributes: { axes: ints([1]), keepdims: int(0) } }),
  ],
  [
    'Softmax over all but the first axis',
    11,
    [2, 3, 4],
    (m, x) => m.node('Softmax', [x], { attributes: { axis: int(1) } }),
  ],
  ['Softmax over the last axis', 11, [2, 3, 4], (m, x) => m.node('Softmax', [x], { attributes: { axis: int(2) } })],
  ['Softmax with a negative axis', 11, [2, 3, 4], (m, x) => m.node('Softmax', [x], { attributes: { axis: int(-2) } })],
  ['LogSoftmax', 11, [2, 3, 4], (m, x) => m.node('LogSoftmax', [x], { attributes: { axis: int(1) } })],
  ['Upsample 9', 9, [1, 2, 3, 3], (m, x) => m.node('Upsample', [x, m.constant('s', float32([4], [1, 1, 2, 2]))])],
  ['Dropout 7', 7, [2, 8], (m, x) => m.node('Dropout', [x], { attributes: { ratio: float(0.3) } })],
  ['Affine', 8, [2, 8], (m, x) => m.node('Affine', [x], { attributes: { alpha: float(2), beta: float(0.5) } })],
  ['Scale', 8, [2, 8], (m, x) => m.node('Scale', [x], { attributes: { scale: float(3) } })],
  ['ScaledTanh', 8, [2, 8], (m, x) => m.node('ScaledTanh', [x], { attributes: { alpha: float(2), beta: float(0.5) } })],
  [
    'ParametricSoftplus',
    8,
    [2, 8],
    (m, x) => m.node('ParametricSoftplus', [x], { attributes: { alpha: float(2), beta: float(0.5) } }),
  ],
  [
    'ImageScaler',
    8,
    [1, 2, 3, 4],
    (m, x) =>
      m.node('ImageScaler', [x], {
        attributes: { scale: float(2), bias: { kind: 'floats', value: [1, -2] } },
      }),
  ],
  ['Crop', 8, [1, 2, 9, 8], (m, x) => m.node('Crop', [x], { attributes: { border: ints([1, 2, 0, 3]) } })],
  [
    'Crop to a size',
    8,
    [1, 2, 9, 8],
    (m, x) => m.node('Crop', [x], { attributes: { border: ints([1, 2, 3, 1]), scale: ints([3, 2]) } }),
  ],
  [
    'Scatter 9',
    9,
    [3, 4],
    (m, x) =>
      m.node('Scatter', [x, m.constant('places', int64([1, 2], [2, 0])), m.weight('news', [1, 2])], {
        attributes: { axis: int(0) },
      }),
  ],
]

for (const [name, opset, shape, make] of UPGRADES) {
  test(`raising the operator set keeps the numbers: ${name}`, async () => {
    const model = oneNode(opset, shape, make)
    await sameResults(model, (changed) => assert.deepEqual(upgradeOpset(changed, opset, 13), []))
    assert.equal(model.opsets.get(''), 13)
  })
}

test('an operator without a successor is a reason, not a wrong model', () => {
  const model = oneNode(7, [1, 3, 4, 4], (m, x) => m.node('GivenTensorFill', [x], { name: 'old' }))
  assert.deepEqual(upgradeOpset(model, 7, 13), ['GivenTensorFill has no successor here'])
})

test('a pass that breaks the graph is named in the error', () => {
  const model = oneNode(17, [2], (m, x) => m.node('Relu', [x], { name: 'r' }))
  const broken: Pass = { name: 'break-it', run: ({ graph }) => graph.nodes.clear() }
  assert.throws(() => runPasses(model, [broken]), /pass break-it: nothing produces the output "y"/)
})

test('differences and quotients by constants become sums and products', async () => {
  const model = oneNode(17, [2, 4], (m, x) => {
    const [mean, std] = [
      m.constant('mean', float32([4], [1, 2, 3, 4])),
      m.constant('std', float32([4], [2, 4, 8, 0.5])),
    ]
    return m.node('Div', [m.node('Sub', [x, mean], { name: 'center' }), std], { name: 'scale' })
  })
  await sameResults(model, apply(constantArithmetic(), removeUnused))
  assert.deepEqual(
    linesOf(model, / = /).filter((line) => !line.startsWith('constant')),
    ['Add_output = Add(x, mean_negated)', 'y = Mul(Add_output, std_reciprocal)'].map((line) =>
      line.replaceAll('Add_output', linesOf(model, /= Add/)[0]!.split(' ')[0]!),
    ),
  )
  assert.deepEqual([...model.graph.nodes].map(({ name }) => name).toSorted(), ['center', 'scale'])
})

for (const keepdims of [0, 1]) {
  test(`a mean over the image is a pool (keepdims ${keepdims})`, async () => {
    const model = oneNode(13, [2, 3, 4, 5], (m, x) =>
      m.node('ReduceMean', [x], { name: 'mean', attributes: { axes: ints([2, -1]), keepdims: int(keepdims) } }),
    )
    await sameResults(model, apply(meanToPool))
    assert.equal(linesOf(model, /GlobalAveragePool/).length > 0, true)
  })
}

test('factors and offsets around a convolution move into it', async () => {
  const model = oneNode(17, [1, 2, 5, 5], (m, x) => {
    const typed = (value: Value) => Object.assign(value, { dtype: 'float32', shape: [1, 2, 5, 5] })
    const half = typed(m.node('Mul', [x, m.constant('half', float32([1], [0.5]))], { name: 'half' }))
    const third = typed(m.node('Mul', [half, m.constant('third', float32([], [1 / 3]))], { name: 'third' }))
    const conv = m.node('Conv', [third, m.weight('w', [3, 2, 3, 3])], {
      name: 'conv',
      attributes: { pads: ints([1, 1, 1, 1]) },
    })
    const scaled = typed(
      m.node('Mul', [typed(conv), m.constant('s', float32([3, 1, 1], [1, 2, -3]))], { name: 'scaled' }),
    )
    return m.node('Add', [scaled, m.constant('o', float32([1], [0.25]))], { name: 'moved' })
  })
  await sameResults(model, apply(foldAffine, removeUnused))
  assert.deepEqual(linesOf(model, /(Mul|Add)\(/), [])
})

test('processors keep the quotient that GELU is known by; where everything becomes integers it is a product', () => {
  const recipe = (target: string) => Recipe.parse({ target, method: { type: 'static' } })
  const quotients = (target: 'cpu-int8' | 'gpu-tensorrt-int8' | 'edge-npu') => {
    const model = oneNode(17, [2, 8], (m, x) => {
      const root = m.constant('root', float32([], [Math.SQRT2]))
      return m.node('Erf', [m.node('Div', [m.node('Div', [x, m.constant('two', float32([], [2]))]), root])])
    })
    runPasses(model, rewritesFor(TARGETS[target], recipe(target)))
    return linesOf(model, /= Div\(/).length
  }
  assert.deepEqual([quotients('cpu-int8'), quotients('gpu-tensorrt-int8'), quotients('edge-npu')], [1, 1, 0])
})
