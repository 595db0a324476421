/** quantize_static in the QDQ format against the files that ONNX Runtime 1.30 wrote: operators, parameters and integers, bit for bit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quantizeQdqLikeOrt } from '../../../src/engine/compat/qdq/index.ts'
import { type Deviation, testParity } from './parity.ts'
import { qdqTensors } from './tables.ts'

const SETS = ['qdq_u8s8_pc', 'qdq_s8s8_pt', 'qdq_u8s8_pc_rr', 'qdq_trt', 'qdq_u16s8_pc']

const DEVIATIONS: readonly Deviation[] = [
  { case: 'gemm_alpha_beta', sets: SETS, why: 'beta of Gemm is lost', leastSqnrDb: 30 },
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
  sets: SETS,
  quantize: ({ model, ranges, options }) => quantizeQdqLikeOrt(model, ranges, options),
  tensorsOf: qdqTensors,
  deviations: DEVIATIONS,
  notYet: NOT_YET,
})
