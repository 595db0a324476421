/** Every target on real models: is the artifact legal, what became of it, and how close it is. Writes bench/TARGETS.md. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MODEL as RECOGNISER } from '../examples/demo/recogniser.ts'
import { TARGETS } from '../src/engine/targets/index.ts'
import type { Target } from '../src/engine/targets/target.ts'
import { FewbitError } from '../src/shared/errors.ts'
import { runEngine } from '../test/kit/engine.ts'
import { imagesToNpz } from './images.ts'
import { MODELS_ROOT } from './models.ts'

interface Subject {
  name: string
  /** the model's input, when the data are images in a .zip */
  images?: string
  /** how stored integers become floats */
  scale?: Record<string, { scale: number; offset: number }>
  /** where the model does not lie with its data */
  model?: string
  /** for targets that compile; a free first dimension becomes 1 anyway */
  shapes?: Record<string, number[]>
}

const SUBJECTS: readonly Subject[] = [
  { name: 'squeezenet-imagenet', images: 'data_0' },
  { name: 'mobilenetv2-cifar10', scale: { input: { scale: 1 / 255, offset: 0 } } },
  { name: 'fastestdet-coco', images: 'input.1' },
  { name: 'kws-dscnn' },
  { name: 'fashion-cnn', scale: { input: { scale: 1 / 255, offset: 0 } } },
  { name: 'bert-tiny-sst2', shapes: { input_ids: [1, 48], attention_mask: [1, 48] } },
  { name: 'magika' },
  { name: 'ocr-ppocrv4', images: 'x', model: RECOGNISER, shapes: { x: [1, 3, 48, 768] } },
]

const modelOf = ({ name, model }: Subject): string => model ?? join(MODELS_ROOT, name, 'model.onnx')

/** They calibrate only. */
const NO_LABELS = () => [0]

async function calibrationOf({ name, images }: Subject): Promise<Buffer> {
  const folder = join(MODELS_ROOT, name)
  if (!images) return readFileSync(join(folder, 'calibration.npz'))
  return Buffer.from(
    await imagesToNpz(join(folder, 'calibration.zip'), join(folder, 'preprocess.json'), images, NO_LABELS),
  )
}

/** One cell: the verdict, then nodes in integers, share of multiplications and SQNR. */
async function verdict(subject: Subject, target: Target, data: Buffer): Promise<string> {
  try {
    const { report } = await runEngine(
      readFileSync(modelOf(subject)),
      data,
      {
        target: target.id,
        method: { type: target.default_method },
        ...(target.kind === 'integer' &&
          target.shapes === 'static' &&
          subject.shapes && { input_shapes: subject.shapes }),
      },
      { dataSpec: { arrays: subject.scale ?? {} } },
    )
    const { coverage, fidelity, target_conformance } = report.metrics
    const legal = target_conformance.ok ? 'legal' : `**${target_conformance.violations.length} violations**`
    const isInteger = target.kind === 'integer' && coverage.macs_integer !== null
    const macs = isInteger ? `, ${Math.round(100 * coverage.macs_integer!)} % of MACs` : ''
    const rules = [...new Set(target_conformance.violations.map(({ rule }) => rule))].join(', ')
    const first = target_conformance.violations[0]
    if (first) console.log(`  ${first.node}: ${first.rule}: ${first.detail}`)
    return `${legal}${rules && ` (${rules})`}, ${coverage.nodes_quantized} of ${coverage.nodes} nodes${macs}, ${fidelity?.sqnr_db.toFixed(1)} dB`
  } catch (error) {
    if (error instanceof FewbitError) return `refused: ${error.code}: ${error.message}`
    throw error
  }
}

const rows: string[] = []
for (const subject of SUBJECTS) {
  if (!existsSync(modelOf(subject))) continue
  const data = await calibrationOf(subject)
  for (const target of Object.values(TARGETS)) {
    const cell = await verdict(subject, target, data)
    console.log(`${subject.name} × ${target.id}: ${cell}`)
    rows.push(`| ${subject.name} | ${target.id} | ${cell} |`)
  }
}
const table = `# Targets on real models

\`npm run -s build && node dist/bench/targets.js\`. Each target's own method with every default, all calibration samples; the verdict is the validator's, read from the written
model. SQNR in dB of the worst output against the float model, on samples that did not calibrate, as ONNX Runtime's CPU kernels compute it.

| model | target | verdict |
|---|---|---|
${rows.join('\n')}
`
if (rows.length > 0) writeFileSync('bench/TARGETS.md', table)
