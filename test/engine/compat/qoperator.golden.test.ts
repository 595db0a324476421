/** quantize_static in the QOperator format against the files that ONNX Runtime 1.30 wrote. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quantizeQOperatorLikeOrt } from '../../../src/engine/compat/operators/qoperator.ts'
import { type Deviation, testParity } from './parity.ts'
import { QOPERATOR_SETS } from './sets.ts'
import { namedTensors } from './tables.ts'

const DEVIATIONS: readonly Deviation[] = [
  {
    case: 'constant_node_weights',
    sets: ['qop_u8s8'],
    why: 'weights in Constant nodes make theirs fail',
    leastSqnrDb: 30,
    otherOperators: true,
  },
  {
    case: 'gemm_alpha_beta',
    sets: QOPERATOR_SETS,
    why: 'beta of Gemm is lost and alpha scales the bias',
    leastSqnrDb: 30,
  },
  {
    case: 'branch_and_graph_output',
    sets: ['qop_u8s8'],
    why: 'a Relu whose input has other readers is removed although nothing clamps in its place',
    leastSqnrDb: 28,
    otherOperators: true,
  },
]

const NOT_YET: readonly string[] = []

test('nothing is missing', () => assert.equal(NOT_YET.length, 0))

testParity({
  sets: QOPERATOR_SETS,
  quantize: ({ model, ranges, options }) => quantizeQOperatorLikeOrt(model, ranges, options),
  tensorsOf: namedTensors,
  deviations: DEVIATIONS,
  notYet: NOT_YET,
})
