/** Gradients of recurrent layers: gates of all steps at once, then back through the steps one by one. */

import type { Node, Value } from '../../ir/graph.ts'
import { leading } from '../../ir/list.ts'
import type { Emitter } from './emitter.ts'
import type { Cell, Direction, DirectionGradients } from './recurrent-cell.ts'

interface Inputs {
  X: Value
  W: Value
  R: Value
  B?: Value
  initial_h?: Value
  initial_c?: Value
}

interface Upstream {
  Y?: Value
  Y_h?: Value
  Y_c?: Value
}

const directionsOf = (node: Node): readonly boolean[] =>
  ({ forward: [false], reverse: [true] })[node.string('direction', 'forward')] ?? [false, true]

/** Row `d` of a tensor whose first axis is the direction. */
function row(g: Emitter, value: Value, d: number, count: number): Value {
  const rest = value.shape?.slice(1) ?? []
  const one = count === 1 ? value : g.slice(value, [d], [d + 1], [0])
  one.shape ??= [1, ...rest]
  return g.squeeze(one, [0])
}

const turn = (g: Emitter, value: Value, backwards: boolean): Value => (backwards ? g.reverse(value, [0]) : value)

/** Steps × batch × hidden of one direction, in the order in which it reads them. */
function steps(g: Emitter, value: Value, d: number, backwards: boolean, count: number): Value {
  const one = count === 1 ? value : g.slice(value, [d], [d + 1], [1])
  return turn(g, g.squeeze(one, [1]), backwards)
}

function readDirection(
  g: Emitter,
  inputs: Inputs,
  upstream: Upstream,
  Y: Value,
  d: number,
  backwards: boolean,
  count: number,
) {
  const own = (value: Value | undefined) => value && row(g, value, d, count)
  const direction: Direction = {
    x: turn(g, inputs.X, backwards),
    w: row(g, inputs.W, d, count),
    r: row(g, inputs.R, d, count),
    b: own(inputs.B),
    y: steps(g, Y, d, backwards, count),
    h0: inputs.initial_h && (count === 1 ? inputs.initial_h : g.slice(inputs.initial_h, [d], [d + 1], [0])),
    c0: inputs.initial_c && (count === 1 ? inputs.initial_c : g.slice(inputs.initial_c, [d], [d + 1], [0])),
    dy: upstream.Y && steps(g, upstream.Y, d, backwards, count),
    dh: upstream.Y_h && (count === 1 ? upstream.Y_h : g.slice(upstream.Y_h, [d], [d + 1], [0])),
    dc: upstream.Y_c && (count === 1 ? upstream.Y_c : g.slice(upstream.Y_c, [d], [d + 1], [0])),
  }
  return direction
}

function outputOf(g: Emitter, node: Node, inputs: Inputs): Value {
  const [steps, batch] = leading(2, inputs.X.shape ?? [])
  return g.output(node, 0, inputs.X.dtype, [steps, directionsOf(node).length, batch, inputs.R.shape?.[2] ?? null])
}

/** Gradients of all inputs by name; states that the layer does not have are not asked for. */
export function recurrentGradients(cell: Cell, g: Emitter, inputs: Inputs, upstream: Upstream, node: Node) {
  const directions = directionsOf(node)
  const Y = outputOf(g, node, inputs)
  const results = directions.map((backwards, d): DirectionGradients => {
    const result = cell(g, readDirection(g, inputs, upstream, Y, d, backwards, directions.length), node)
    return { ...result, x: turn(g, result.x, backwards) }
  })
  const stacked = (pick: (result: DirectionGradients) => Value) =>
    g.concat(
      results.map((result) => g.unsqueeze(pick(result), [0])),
      0,
    )
  return {
    X: () => g.sum(results.map(({ x }) => x)),
    W: () => stacked(({ w }) => w),
    R: () => stacked(({ r }) => r),
    B: () => stacked(({ b }) => b),
    initial_h: () =>
      g.concat(
        results.map(({ h0 }) => h0),
        0,
      ),
    initial_c: () =>
      g.concat(
        results.map(({ c0, h0 }) => c0 ?? h0),
        0,
      ),
  }
}

/** What the emitted equations assume. */
export function refusesUnlessUsual(defaults: readonly string[]) {
  return (node: Node): string | null => {
    const { inputs } = node
    if (typeof inputs[0]?.shape?.[0] !== 'number') return 'the number of its steps is not fixed'
    if (!inputs[1]?.shape || !inputs[2]?.shape) return 'the shape of its weights is unknown'
    if (inputs[4]) return 'sequences of different lengths'
    if (inputs[7]) return 'peepholes'
    if (node.int('layout', 0) !== 0) return 'a layout with the batch first'
    if (node.int('input_forget', 0) !== 0 || node.attributes.has('clip')) return 'coupled gates or clipped cells'
    const activations = node.attributes.get('activations')
    const names = activations?.kind === 'strings' ? activations.value : []
    return names.every((name, i) => name.toLowerCase() === defaults[i % defaults.length])
      ? null
      : 'other activation functions than the usual'
  }
}
