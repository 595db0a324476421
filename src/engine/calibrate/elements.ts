/** Evenly spaced elements of values as outputs of a model, for histograms. */
import { addInitializer, addNode, int } from '../ir/build.ts'
import { freshName, type Model, Value } from '../ir/graph.ts'
import { int64 } from '../ir/tensor.ts'
import { valueNamed, valuesByName } from '../plan/named-values.ts'

/** elements of a value that its histogram counts, over all samples and at least of one */
const COUNTED = 2 ** 18
const COUNTED_PER_SAMPLE = 2 ** 10
/** from this operator set on Slice takes steps */
const STEPS_AS_INPUT = 10

/** Adds evenly spaced elements of each named value to the model's outputs, for histograms. The model is changed. */
export function addElements(model: Model, names: readonly string[], samples: number): Map<string, string> {
  const values = valuesByName(model)
  const most = Math.max(COUNTED_PER_SAMPLE, COUNTED / Math.max(samples, 1))
  const [flat, start, end, axis] = [[-1], [0], [Number.MAX_SAFE_INTEGER], [0]].map((numbers) =>
    addInitializer(model, model.graph, 'index', int64([1], numbers)),
  )
  return new Map(
    names.map((name) => {
      const value = valueNamed(values, name)
      const output = new Value(freshName(model, `${name}_elements`), 'float32')
      model.graph.outputs.push(output)
      if ((model.opsets.get('') ?? 0) < STEPS_AS_INPUT) {
        addNode(model, model.graph, 'Identity', [value], { outputs: [output] })
        return [name, output.name]
      }
      const step = hasKnownSize(value)
        ? addInitializer(model, model.graph, 'step', int64([1], [stepThrough(value, most)]))
        : stepAtRunTime(model, value, most)
      const line = addNode(model, model.graph, 'Reshape', [value, flat!])
      addNode(model, model.graph, 'Slice', [line, start!, end!, axis!, step], { outputs: [output] })
      return [name, output.name]
    }),
  )
}

/** A step that leaves about `most` elements of a sample and meets every row and column. */
function stepThrough({ shape = [] }: Value, most: number): number {
  const dims = shape.slice(1).map((dim) => (typeof dim === 'number' && dim > 0 ? dim : 1))
  const elements = dims.reduce((a, b) => a * b, 1)
  let step = Math.max(1, Math.floor(elements / most))
  while (dims.some((dim) => gcd(step, dim) > 1)) step++
  return step
}

/** of images, whose sizes are known before they are run */
const IMAGE_RANK = 4

const hasKnownSize = ({ shape }: Value): boolean =>
  shape?.length === IMAGE_RANK && shape.slice(1).every((dim) => typeof dim === 'number' && dim > 0)

/** Steps for values whose size only the run knows: primes, which divide few dimensions, about a third apart. */
const PRIMES = [
  1, 2, 3, 5, 7, 11, 13, 17, 23, 31, 41, 53, 71, 97, 127, 167, 223, 293, 389, 521, 691, 919, 1223, 1627, 2161, 2879,
  3833, 5101, 6791, 9041, 12041, 16033,
]
/** samples that a run has, more or less */
const USUAL_BATCH = 4

/** The largest of the primes that leaves enough elements of a run. */
function stepAtRunTime(model: Model, value: Value, most: number): Value {
  const { graph } = model
  const constant = (numbers: readonly number[]) =>
    addInitializer(model, graph, 'steps', int64([numbers.length], numbers))
  const needed = constant(PRIMES.map((prime) => Math.ceil(prime * most * USUAL_BATCH)))
  const tooLong = addNode(model, graph, 'Greater', [needed, addNode(model, graph, 'Size', [value])])
  const steps = addNode(model, graph, 'Where', [tooLong, constant([1]), constant(PRIMES)])
  return addNode(model, graph, 'ReduceMax', [steps], { attributes: { keepdims: int(1) } })
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
