/** Blocks of random graphs on images, [N, C, H, W]. */
import type { Random, State } from './builder.ts'
import type { Block } from './graph.ts'
import { activate } from './shared.ts'

const scaled = (m: Random, channels: number) => m.weights([channels])

function conv(m: Random, { value, dims: [c, h, w] }: State, out: number, kernel: number, stride = 1, group = 1): State {
  const pad = kernel >> 1
  const weights = m.weights([out, c! / group, kernel, kernel])
  const y = m.op('Conv', m.chance(0.7) ? [value, weights, scaled(m, out)] : [value, weights], {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
    group,
  })
  const size = (n: number) => Math.floor((n + 2 * pad - kernel) / stride) + 1
  return { value: y, dims: [out, size(h!), size(w!)] }
}

const normalized = (m: Random, { value, dims }: State): State => {
  const [c] = dims
  const positive = m.op('Abs', [scaled(m, c!)])
  const factors = [scaled(m, c!), scaled(m, c!), scaled(m, c!), m.op('Add', [positive, m.number(0.5)])]
  return { value: m.op('BatchNormalization', [value, ...factors]), dims }
}

const pooled = (m: Random, { value, dims: [c, h, w] }: State, type: string): State => ({
  value: m.op(type, [value], { kernel_shape: [2, 2], strides: [2, 2] }),
  dims: [c!, h! >> 1, w! >> 1],
})

function squeezeExcite(m: Random, state: State): State {
  const [c] = state.dims
  const pool = { value: m.op('GlobalAveragePool', [state.value]), dims: [c!, 1, 1] }
  const small = activate(m, conv(m, pool, Math.max(2, c! >> 1), 1), 'Relu')
  const gate = m.op(m.pick(['Sigmoid', 'HardSigmoid']), [conv(m, small, c!, 1).value])
  return { value: m.op('Mul', [state.value, gate]), dims: state.dims }
}

function branches(m: Random, state: State): State {
  const [left, right] = [conv(m, state, m.pick([4, 6]), 3), activate(m, conv(m, state, m.pick([2, 8]), 1))]
  return {
    value: m.op('Concat', [left.value, right.value], { axis: 1 }),
    dims: [left.dims[0]! + right.dims[0]!, ...left.dims.slice(1)],
  }
}

const throughNhwc = (m: Random, state: State): State => {
  const there = m.op('Transpose', [state.value], { perm: [0, 2, 3, 1] })
  return {
    value: m.op('Transpose', [activate(m, { ...state, value: there }).value], { perm: [0, 3, 1, 2] }),
    dims: state.dims,
  }
}

const doubled = (m: Random, { value, dims: [c, h, w] }: State): State => {
  const transposed = m.weights([c!, c!, 2, 2])
  return {
    value: m.op('ConvTranspose', [value, transposed], { kernel_shape: [2, 2], strides: [2, 2] }),
    dims: [c!, 2 * h!, 2 * w!],
  }
}

const isLarge = ({ dims: [, h, w] }: State): boolean => h! >= 4 && w! >= 4
const isSmall = ({ dims: [, h, w] }: State): boolean => h! * w! <= 64

export const IMAGE_BLOCKS: readonly Block[] = [
  { name: 'conv', apply: (m, s) => activate(m, conv(m, s, m.pick([4, 8, 12]), m.pick([1, 3]))) },
  { name: 'conv-bn', apply: (m, s) => activate(m, normalized(m, conv(m, s, 8, 3))) },
  { name: 'bn', apply: normalized },
  { name: 'strided', fits: isLarge, apply: (m, s) => conv(m, s, m.pick([6, 8]), 3, 2) },
  { name: 'depthwise', apply: (m, s) => activate(m, conv(m, s, s.dims[0]!, 3, 1, s.dims[0]!)) },
  { name: 'max-pool', fits: isLarge, apply: (m, s) => pooled(m, s, 'MaxPool') },
  { name: 'average-pool', fits: isLarge, apply: (m, s) => pooled(m, s, 'AveragePool') },
  {
    name: 'residual',
    apply: (m, s) => ({ value: m.op('Add', [conv(m, s, s.dims[0]!, 3).value, s.value]), dims: s.dims }),
  },
  { name: 'squeeze-excite', apply: squeezeExcite },
  { name: 'branches', apply: branches },
  { name: 'nhwc', apply: throughNhwc },
  { name: 'conv-transpose', fits: isSmall, apply: doubled },
  {
    name: 'instance-norm',
    apply: (m, s) => ({
      value: m.op('InstanceNormalization', [s.value, scaled(m, s.dims[0]!), scaled(m, s.dims[0]!)]),
      dims: s.dims,
    }),
  },
  { name: 'activation', apply: (m, s) => activate(m, s) },
]

/** Images become vectors, or sequences of their pixels. */
export const IMAGE_ENDS: readonly Block[] = [
  {
    name: 'global-pool',
    apply: (m, { value, dims }) => ({ value: m.op('Flatten', [m.op('GlobalAveragePool', [value])]), dims: [dims[0]!] }),
  },
  {
    name: 'flatten',
    fits: isSmall,
    apply: (m, { value, dims }) => ({ value: m.op('Flatten', [value]), dims: [dims.reduce((a, b) => a * b, 1)] }),
  },
  {
    name: 'to-sequence',
    fits: isSmall,
    apply: (m, { value, dims: [c, h, w] }) => {
      const lines = m.op('Reshape', [value, m.whole([0, c!, -1])])
      return { value: m.op('Transpose', [lines], { perm: [0, 2, 1] }), dims: [h! * w!, c!] }
    },
  },
]
