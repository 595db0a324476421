/** Static post-training quantization: plan, calibrate, insert. */
import { FewbitError } from '../../shared/errors.ts'
import type { Node } from '../ir/graph.ts'
import { decodeModel } from '../onnx/index.ts'
import { opOf } from '../ops/index.ts'
import { addExtremes, calibrate } from '../quant/calibrate.ts'
import { describePlan } from '../quant/describe.ts'
import { insertQuantization } from '../quant/insert.ts'
import { chooseObserver } from '../quant/observers/index.ts'
import type { Range } from '../quant/observers/observer.ts'
import { type Plan, planRegions } from '../quant/plan.ts'
import { StaticMethod } from '../recipe.ts'
import type { IntegerTarget } from '../targets/target.ts'
import type { CalibrationBatches, Method, MethodInput } from './method.ts'

export const staticMethod: Method = async (input) => {
  const options = StaticMethod.parse(input.recipe.method)
  const target = input.target as IntegerTarget
  const { model, quantizeDomain } = input.prepared
  const plan = planRegions(model.graph, target, { perChannel: options.per_channel, excludes: input.excludes })
  if (plan.nodes.size === 0) throw nothingToQuantize(plan)
  const observer = chooseObserver(options.observer)
  const { ranges, report } = await measureRanges(input, plan, observer)
  input.progress('quantizing', 0, 1)
  const macs = shareOfMacs([...model.graph.nodes], plan.nodes)
  const parameters = insertQuantization(model, plan, ranges, quantizeDomain)
  return {
    model,
    plan: describePlan(input.recipe, plan, parameters),
    quantizedNodes: plan.nodes.size,
    macsInteger: macs,
    calibration: report,
    options: { type: 'static', observer: observer.name, per_channel: options.per_channel },
  }
}

function nothingToQuantize({ reasons }: Plan): FewbitError {
  const [first] = [...reasons].filter(([node]) => opOf(node)?.class === 'multiply')
  const detail = first
    ? `for example node "${first[0].name}" (${first[0].opType}): ${first[1]}`
    : 'it has no Conv, Gemm or MatMul with a float32 constant'
  return new FewbitError('nothing_to_quantize', `No node of the model can run in integers: ${detail}.`, {
    stage: 'plan',
  })
}

async function measureRanges(input: MethodInput, plan: Plan, observer: ReturnType<typeof chooseObserver>) {
  const batches = requireBatches(input.batches)
  const names = [...plan.values].flatMap(([value, planned]) => (planned.kind === 'own' ? [value.name] : []))
  const { runtime, workspace, prepared } = input
  const probe = decodeModel(workspace.save('prepared.onnx', prepared.model)).model
  const outputs = addExtremes(probe, names)
  const session = await runtime.load(workspace.save('calibration.onnx', probe), { optimization: 'all' })
  const started = input.now()
  let done = 0
  const onBatch = () => input.progress('calibrating', ++done, batches.length)
  const ranges: Map<string, Range> = await calibrate({ session, outputs, observer, batches, onBatch })
  await session.release()
  const seconds = (input.now() - started) / 1000
  const report = {
    samples: batches.samples,
    observer: observer.name,
    samples_per_second: batches.samples / Math.max(seconds, 1e-6),
    values: names.length,
  }
  return { ranges, report }
}

function requireBatches(batches: CalibrationBatches | null): CalibrationBatches {
  if (batches) return batches
  throw new FewbitError(
    'dataset_required',
    'Static quantization reads the ranges of activations from a calibration data set.',
    {
      param: '/calibration/dataset_id',
      hint: 'upload an .npz data set, or use the method dynamic or float16, which need none',
    },
  )
}

/** Share of multiply-accumulates in `chosen`; null when a shape is unknown. */
export function shareOfMacs(nodes: readonly Node[], chosen: ReadonlySet<Node>): number | null {
  const macs = (node: Node) => opOf(node)?.macs?.(node) ?? 0
  const sum = (some: readonly Node[]) => some.reduce((total, node) => total + macs(node), 0)
  const total = sum(nodes)
  return Number.isFinite(total) && total > 0 ? sum(nodes.filter((node) => chosen.has(node))) / total : null
}
