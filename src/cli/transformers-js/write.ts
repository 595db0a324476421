/** From a folder of float models to one with every dtype, its configuration and its card. */
import { createHash } from 'node:crypto'
import { copyFileSync, createReadStream, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { PlanDocument } from '../../contract/report.ts'
import { decodeModel, saveModel } from '../../engine/onnx/index.ts'
import type { QuantizeOptions } from '../../engine/options.ts'
import { FewbitError } from '../../shared/errors.ts'
import { VERSION } from '../../shared/version.ts'
import type { Made } from '../apart.ts'
import { cardOf } from './card.ts'
import { DTYPES, type Dtype } from './dtypes.ts'
import { intoFolder } from './place.ts'
import { type Source, type SourceModel, sourceAt } from './source.ts'
import type { Hashed, Written } from './written.ts'

export interface FolderRun {
  source: string
  dtypes: readonly Dtype[]
  /** A model without anything to make smaller is left out, with its reason, instead of ending the run. */
  skips: boolean
  output: string
  overwrite: boolean
  /** data and limits for every run */
  options: Partial<QuantizeOptions>
  quantize: (model: string, options: QuantizeOptions & { output: string }, title: string) => Promise<Made>
}

/** Throws FewbitError; nothing half-written stays. */
export async function writeFolder(run: FolderRun): Promise<Written> {
  const source = sourceAt(run.source)
  return intoFolder(run.output, run.overwrite, async (staging) => {
    mkdirSync(join(staging, 'onnx'))
    for (const path of source.papers) copyFileSync(path, join(staging, basename(path)))
    const written = await writeModels(run, source, staging)
    writeFileSync(join(staging, 'quantize_config.json'), JSON.stringify(configOf(written), null, 2))
    writeFileSync(join(staging, 'QUANTIZED.md'), cardOf(written))
    return written
  })
}

async function writeModels(run: FolderRun, { models }: Source, staging: string): Promise<Written> {
  const written: Written = { float: [], rows: [], missing: [] }
  for (const model of models) {
    written.float.push(await place(model.path, staging, model.name))
    for (const dtype of run.dtypes) await writeDtype(run, model, dtype, staging, written)
  }
  if (written.rows.length > 0) return written
  const [first] = written.missing
  throw new FewbitError('nothing_to_quantize', `no dtype could be written: ${first?.reason ?? 'none was named'}`)
}

async function writeDtype(
  run: FolderRun,
  { name, path }: SourceModel,
  dtype: Dtype,
  staging: string,
  { rows, missing }: Written,
): Promise<void> {
  const { suffix, options } = DTYPES[dtype]
  const twin = rows.find((row) => row.model === name && isDeepStrictEqual(DTYPES[row.dtype].options, options))
  if (twin) {
    const placed = await place(join(staging, twin.file), staging, `${name}${suffix}`)
    rows.push({ ...twin, ...placed, dtype })
    return
  }
  const scratch = join(staging, '.made')
  try {
    const { report } = await run.quantize(
      path,
      { ...run.options, ...options, output: scratch, overwrite: true },
      `${name} ${dtype}`,
    )
    const plan: PlanDocument = JSON.parse(readFileSync(join(scratch, 'plan.json'), 'utf8'))
    const placed = await place(join(scratch, 'model.onnx'), staging, `${name}${suffix}`)
    rows.push({ ...placed, model: name, dtype, report, plan })
  } catch (error) {
    if (!(error instanceof FewbitError)) throw error
    if (!run.skips || error.code !== 'nothing_to_quantize') throw about(error, `${name}.onnx, ${dtype}`)
    missing.push({ model: name, dtype, reason: error.detail })
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const about = ({ code, detail, extra }: FewbitError, what: string): FewbitError =>
  new FewbitError(code, `${what}: ${detail}`, extra)

/** Copies a model to `onnx/`; weights outside of it go into one file that is called as transformers.js looks for it. */
async function place(path: string, staging: string, name: string): Promise<Hashed> {
  const file = `onnx/${name}.onnx`
  const { model, external } = decodeModel(path)
  if (external.length === 0) copyFileSync(path, join(staging, file))
  else saveModel(model, join(staging, file), { dataFile: join(staging, `${file}_data`) })
  return { file, sha256: await hashOf(join(staging, file)) }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
}

/** In the place where the conversion script of transformers.js 3 put its own. */
function configOf({ rows }: Written) {
  const names = [...new Set(rows.map(({ model }) => model))]
  const dtypesOf = (name: string) =>
    rows
      .filter(({ model }) => model === name)
      .map(({ dtype, file, sha256, report }) => [dtype, { file, sha256, method: report.options.method }])
  return {
    quantized_with: `fewbit ${VERSION}`,
    per_model_config: Object.fromEntries(names.map((name) => [name, Object.fromEntries(dtypesOf(name))])),
  }
}
