/** Static quantization alone, without verification: prints seconds and peak memory as JSON. `ours.js <spec as JSON>`, in an empty directory. */
import { readFileSync } from 'node:fs'
import { RunnerSpec } from '../../src/contract/runner-protocol.ts'
import { calibrationBatches } from '../../src/engine/data/samples.ts'
import { openData, splitSamples } from '../../src/engine/data/split.ts'
import { FINISH } from '../../src/engine/methods/finish.ts'
import { METHODS } from '../../src/engine/methods/index.ts'
import { runPasses } from '../../src/engine/passes/pass.ts'
import { preparation, prepare } from '../../src/engine/prepare/index.ts'
import { rewritesFor } from '../../src/engine/prepare/rewrites.ts'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import { openWorkspace } from '../../src/engine/runtime/workspace.ts'
import { targetOf } from '../../src/engine/targets/index.ts'

const spec = RunnerSpec.parse(JSON.parse(process.argv[2]!))
const started = performance.now()
const workspace = openWorkspace('.')
const runtime = openRuntime(spec.threads)
const target = targetOf(spec.recipe.target)
const prepared = await prepare(spec.model, target.min_opset, runtime, workspace, {
  passes: preparation(rewritesFor(target, spec.recipe)),
})
const { calibration } = splitSamples(await openData(spec, { scratch: '.' }), spec.recipe)
const { model } = await METHODS[spec.recipe.method.type]({
  prepared,
  recipe: spec.recipe,
  target,
  runtime,
  workspace,
  batches: calibration && calibrationBatches(calibration, prepared.inputs, 4),
  training: null,
  excludes: () => null,
  progress: () => {},
  now: () => performance.now(),
  searchUntil: Number.POSITIVE_INFINITY,
  isStopped: () => false,
})
runPasses(model, FINISH)
workspace.save(spec.output, model)
const seconds = (performance.now() - started) / 1000
// ru_maxrss would begin with the size of the process that started this one
const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
console.log(JSON.stringify({ seconds, peakBytes: 1024 * Number(peak) }))
