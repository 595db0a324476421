/** `fewbit quantize --for transformers.js`: a folder with every dtype that the library loads. */
import { basename, extname, resolve } from 'node:path'
import type { QuantizeOptions } from '../../engine/options.ts'
import { FewbitError } from '../../shared/errors.ts'
import type { Made } from '../apart.ts'
import { type ProgressView, progressOn, silent } from '../progress.ts'
import { type Asked, optionsOf } from '../quantize-options.ts'
import { styled } from '../style.ts'
import { bytes, table } from '../table.ts'
import { dtypesOf } from '../transformers-js/dtypes.ts'
import { writeFolder } from '../transformers-js/write.ts'
import type { Written } from '../transformers-js/written.ts'

type Run = (model: string, options: QuantizeOptions & { output: string }, view: ProgressView) => Promise<Made>

/** What the dtypes say already. */
const DECIDED = [
  ['method', '--method'],
  ['set', '--set'],
  ['training', '--training'],
  ['maxAccuracyDrop', '--max-accuracy-drop'],
  ['minSpeedup', '--min-speedup'],
] as const

/** Throws FewbitError. */
export async function quantizeFolder(source: string, asked: Asked, run: Run): Promise<void> {
  for (const [name, flag] of DECIDED)
    if (asked[name] !== undefined)
      throw new FewbitError(
        'invalid_request',
        `${flag} says nothing together with --for: each dtype is a method of its own`,
      )
  const output = asked.output ?? `${basename(resolve(source), extname(source))}-transformers.js`
  const { target: _, method: __, ...options } = optionsOf(asked)
  const view = asked.quiet ? silent : progressOn(process.stderr)
  const wished = asked.dtypes ?? 'all'
  const written = await writeFolder({
    source,
    dtypes: dtypesOf(wished),
    skips: wished === 'all',
    output,
    overwrite: asked.force ?? false,
    options,
    quantize: (model, one, title) => {
      view.clear()
      if (!asked.quiet) process.stderr.write(`${title}\n`)
      return run(model, one, view)
    },
  }).finally(view.clear)
  console.log(asked.json ? JSON.stringify({ output: resolve(output), ...written }, null, 1) : describe(written, output))
}

function describe({ rows, missing }: Written, output: string): string {
  const lines = rows.map(({ file, report: { metrics } }) => [
    file,
    bytes(metrics.size_bytes.quantized),
    metrics.fidelity ? `${metrics.fidelity.sqnr_db.toFixed(1)} dB` : 'not measured',
    metrics.latency_ms ? `${metrics.latency_ms.speedup.toFixed(2)} x` : '',
  ])
  const left = missing.map(({ model, dtype, reason }) => `not written: ${model}, ${dtype}: ${reason}`)
  return [
    table(lines),
    ...left,
    `${styled(process.stdout, 'green', 'written:')} ${output}, described in QUANTIZED.md`,
  ].join('\n')
}
