/** What ONNX Runtime's profiler wrote: the kernels that ran, how long each took, and the shapes that it saw. */
import { readdirSync, readFileSync, unlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { ExecutedKernel } from './runtime.ts'

/** Shapes by element type, one entry per tensor. */
type Shapes = readonly Readonly<Record<string, readonly number[]>>[]

interface Event {
  cat?: string
  name: string
  /** microseconds */
  dur: number
  args?: { op_name?: string; provider?: string; input_type_shape?: Shapes; output_type_shape?: Shapes }
}

const KERNEL = '_kernel_time'
/** Behind the name of a node that took the place of others. */
const TOKEN = /_token_\d+$/

/** Every run of a kernel in the order of execution, those inside of branches and loops included; removes the file. `prefix` is the path that the profile's name begins with. */
export function readKernels(prefix: string): ExecutedKernel[] {
  const kernels: ExecutedKernel[] = []
  for (const name of readdirSync(dirname(prefix)).filter((name) => name.startsWith(`${basename(prefix)}_`))) {
    const path = join(dirname(prefix), name)
    for (const event of JSON.parse(readFileSync(path, 'utf8')) as Event[])
      if (event.cat === 'Node' && event.name.endsWith(KERNEL)) kernels.push(kernelOf(event))
    unlinkSync(path)
  }
  return kernels
}

const kernelOf = ({ name, dur, args = {} }: Event): ExecutedKernel => ({
  node: name.slice(0, -KERNEL.length).replace(TOKEN, ''),
  opType: args.op_name ?? '',
  milliseconds: dur / 1000,
  provider: args.provider ?? '',
  dtypes: [...(args.input_type_shape ?? []), ...(args.output_type_shape ?? [])].flatMap(Object.keys),
  inputs: shapesOf(args.input_type_shape),
  outputs: shapesOf(args.output_type_shape),
})

const shapesOf = (shapes: Shapes = []): (readonly number[])[] => shapes.flatMap((shape) => Object.values(shape))

/** Median milliseconds of a kernel by the name of its node. */
export function medianTimes(kernels: readonly ExecutedKernel[]): Map<string, number> {
  const times = new Map<string, number[]>()
  for (const { node, milliseconds } of kernels) times.set(node, [...(times.get(node) ?? []), milliseconds])
  return new Map([...times].map(([node, all]) => [node, median(all)]))
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!
