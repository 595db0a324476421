/** quantize_static in the QDQ format against the files that ONNX Runtime 1.30 wrote: operators, parameters and integers, bit for bit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quantizeQdqLikeOrt } from '../../../src/engine/compat/qdq/index.ts'
import { type Deviation, testParity } from './parity.ts'
import { qdqTensors } from './tables.ts'

const SETS = ['qdq_u8s8_pc', 'qdq_s8s8_pt', 'qdq_u8s8_pc_rr', 'qdq_trt', 'qdq_u16s8_pc']
/** one option each, on a few cases */
const MORE = [
  ...['qdq_u8u8_pt', 'qdq_s8s8_pc', 'qdq_s16s8_pt', 'qdq_u16u8_pt', 'qdq_s16s16_pt', 'qdq_u8s8_contrib'],
  ...['qdq_u16s8_contrib', 'qdq_keep_removable', 'qdq_force', 'qdq_min_real_range', 'qdq_act_symmetric'],
  ...['qdq_u8_act_symmetric', 'qdq_weight_asymmetric', 'qdq_u8_weight_symmetric', 'qdq_no_bias', 'qdq_dedicated'],
  ...['qdq_add_pair_to_weight', 'qdq_only_conv_matmul_gemm', 'qdq_exclude_first', 'qdq_only_first'],
  ...['qdq_matmul_axis', 'qdq_exclude_output', 'qdq_restricted', 'qdq_no_adjust', 'config_u8s8', 'config_u16s8_keep'],
]
const ALL = [...SETS, ...MORE]

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
