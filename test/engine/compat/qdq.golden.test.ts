/** quantize_static in the QDQ format against the files that ONNX Runtime 1.30 wrote: operators, parameters and integers, bit for bit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quantizeQdqLikeOrt } from '../../../src/engine/compat/qdq/index.ts'
import { type Deviation, testParity } from './parity.ts'
import { QDQ_OPTIONS, QDQ_SETS } from './sets.ts'
import { qdqTensors } from './tables.ts'

const ALL = [...QDQ_SETS, ...QDQ_OPTIONS]
const FOUR_BITS = ['qdq_u8s4_pc_contrib', 'qdq_u8u4_pt_contrib']
const BLOCKS = ['qdq_blocked_s4', 'qdq_blocked_s8', 'qdq_blocked_s8_pc']

const DEVIATIONS: readonly Deviation[] = [
  {
    case: 'gemm_alpha_beta',
    sets: ALL.filter((set) => !['qdq_exclude_first', ...FOUR_BITS, ...BLOCKS].includes(set)),
    why: 'beta of Gemm is lost',
    leastSqnrDb: 30,
  },
  {
    case: 'gemm_alpha_beta',
    sets: FOUR_BITS,
    why: 'beta of Gemm is lost',
    leastSqnrDb: 19,
  },
  ...['conv_bias', 'conv_relu_pool', 'residual_block', 'opset21_mlp', 'gemm_alpha_beta'].map((name) => ({
    case: name,
    sets: BLOCKS,
    why: 'theirs stops: blocks need matrices without a bias; convolutions get scales as without blocks, biases stay float',
    leastSqnrDb: name === 'conv_relu_pool' ? 16 : 18,
    otherOperators: true as const,
  })),
  {
    case: 'matmul_const',
    sets: ['qdq_blocked_s8', 'qdq_blocked_s8_pc'],
    why: 'QLinearMatMul takes no blocks: such files load but cannot run',
    leastSqnrDb: 35,
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
