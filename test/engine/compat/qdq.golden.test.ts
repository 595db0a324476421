/** quantize_static in the QDQ format against the files that ONNX Runtime 1.30 wrote: operators, parameters and integers, bit for bit. */
import { test } from 'node:test'
import { quantizeQdqLikeOrt } from '../../../src/engine/compat/qdq/index.ts'
import { casesWith, openCase, skip } from './cases.ts'
import { assertOperators, assertTensors } from './parity.ts'
import { qdqTensors } from './tables.ts'

const SETS = ['qdq_u8s8_pc', 'qdq_s8s8_pt', 'qdq_u8s8_pc_rr', 'qdq_trt', 'qdq_u16s8_pc']

for (const set of SETS)
  for (const name of casesWith(set))
    test(`${name} ${set}`, { skip }, () => {
      const { model, ranges, options, expected } = openCase(name, set)
      quantizeQdqLikeOrt(model, ranges, options)
      assertOperators(model, expected)
      assertTensors(qdqTensors(model), expected)
    })
