/** quantize_static in the QDQ format against the files that ONNX Runtime 1.30 wrote: operators, parameters and integers, bit for bit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quantizeQdqLikeOrt } from '../../../src/engine/compat/qdq/index.ts'
import { type Deviation, testParity } from './parity.ts'
import { QDQ_OPTIONS, QDQ_SETS } from './sets.ts'
import { qdqTensors } from './tables.ts'

const ALL = [...QDQ_SETS, ...QDQ_OPTIONS]

const DEVIATIONS: readonly Deviation[] = [
  {
    case: 'gemm_alpha_beta',
    sets: ALL.filter((set) => set !== 'qdq_exclude_first'),
    why: 'beta of Gemm is lost',
    leastSqnrDb: 30,
  },
  {
    case: 'matmul_const_rank3',
    sets: ['qdq_u8s8_pc', 'qdq_u8s8_pc_rr', 'qdq_trt'],
    why: 'one scale per row of a stack of matrices: such files load but cannot run',
    leastSqnrDb: 30,
  },
  {
    case: 'matmul_const_rank3',
    sets: ['qdq_u16s8_pc'],
    why: 'the same scales, which only float kernels can use',
    leastSqnrDb: 40,
    mayBeWorse: true,
  },
  ...['conv_relu_pool', 'opset21_mlp', 'residual_block'].map((name) => ({
    case: name,
    sets: ['qdq_calib_symmetric'],
    why: 'Relu is removed although symmetric ranges do not clamp at zero',
    leastSqnrDb: 25,
    otherOperators: true as const,
  })),
]

const NOT_YET: readonly string[] = []

test('nothing is missing', () => assert.equal(NOT_YET.length, 0))

testParity({
  sets: ALL,
  quantize: ({ model, ranges, options }) => quantizeQdqLikeOrt(model, ranges, options),
  tensorsOf: qdqTensors,
  deviations: DEVIATIONS,
  notYet: NOT_YET,
})
