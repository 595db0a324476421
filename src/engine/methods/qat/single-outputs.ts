/** Outputs in half or double precision are judged in front of the Cast that makes them. */
import type { Model, Value } from '../../ir/graph.ts'

/** Gives such an output's name to the float32 value that it is cast from. Changes the model. */
export function singleOutputs({ graph }: Model): void {
  graph.outputs.forEach((output, i) => {
    const source = floatSource(output)
    if (!source || graph.outputs.includes(source)) return
    source.name = output.name
    output.name = `${output.name}/cast`
    graph.outputs[i] = source
  })
}

function floatSource({ dtype, producer }: Value): Value | null {
  const [source] = producer?.opType === 'Cast' ? producer.inputs : []
  const isOther = dtype === 'float16' || dtype === 'float64'
  return isOther && source?.dtype === 'float32' && source.producer ? source : null
}
