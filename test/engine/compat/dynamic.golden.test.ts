/** quantize_dynamic against the files that ONNX Runtime 1.30 wrote. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quantizeDynamicLikeOrt } from '../../../src/engine/compat/operators/dynamic.ts'
import { type Deviation, testParity } from './parity.ts'
import { DYNAMIC_SETS } from './sets.ts'
import { namedTensors } from './tables.ts'

const DEVIATIONS: readonly Deviation[] = [
  {
    case: 'constant_node_weights',
    sets: ['dyn_s8_pt', 'dyn_s8_pc'],
    why: 'weights in Constant nodes make theirs fail',
    leastSqnrDb: 30,
    otherOperators: true,
  },
  {
    case: 'matmul_const_rank3',
    sets: ['dyn_s8_pc'],
    why: 'one scale per column of a stack of matrices: such files load but cannot run',
    leastSqnrDb: 30,
  },
]

const NOT_YET: readonly string[] = []

test('nothing is missing', () => assert.equal(NOT_YET.length, 0))

testParity({
  sets: DYNAMIC_SETS,
  quantize: ({ model, options }) => quantizeDynamicLikeOrt(model, options),
  tensorsOf: namedTensors,
  deviations: DEVIATIONS,
  madeUpNames: ['unnamed_nodes'],
  notYet: NOT_YET,
})
