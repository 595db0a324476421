/** Entries of operators with one input and one output, whose gradient is written in terms of both. */

import type { Node, Value } from '../ir/graph.ts'
import { entryOf } from '../ir/list.ts'
import { activation, type IntegerOp, type OpDef } from './define.ts'
import type { Emitter } from './gradients/emitter.ts'

/** The gradient of Y = f(X); null means zero. */
export type Slope = (g: Emitter, X: Value, dY: Value, Y: Value, node: Node) => Value | null

type Rest<Op extends OpDef> = Pick<OpDef, 'example'> & Partial<Omit<Op, 'inputs' | 'outputs' | 'gradient'>>

type Ends = readonly [input: string, output: string]

export const INPUT_OUTPUT: Ends = ['input', 'output']
const X_Y: Ends = ['X', 'Y']

type Values = Readonly<Record<string, Value>>

const through = (slope: Slope, [input, output]: Ends) => ({
  inputs: [input],
  outputs: [output],
  gradient: (g: Emitter, inputs: Values, upstream: Values, outputs: Values, node: Node) => ({
    [input]: () => slope(g, entryOf(inputs, input), entryOf(upstream, output), entryOf(outputs, output), node),
  }),
})

/** One that always computes in float. */
export const floatElementwise = (slope: Slope, rest: Rest<OpDef>, ends = X_Y): OpDef => ({
  ...through(slope, ends),
  ...rest,
})

/** One that reads and writes numbers with scales of their own when it computes in integers. */
export const elementwise = (slope: Slope, rest: Rest<IntegerOp>, ends = X_Y): IntegerOp => ({
  class: 'pointwise',
  ...through(slope, ends),
  quant: { [ends[0]]: activation, [ends[1]]: activation },
  ...rest,
})

/** The gradient of what is flat between its steps. */
export const flat: Slope = () => null
