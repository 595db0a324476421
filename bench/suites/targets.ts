/** Every target on real models: is the artifact legal, what became of it, and how close it is. Writes bench/results/TARGETS.md. */
import { TARGETS } from '../../src/engine/targets/index.ts'
import type { Target } from '../../src/engine/targets/target.ts'
import { FewbitError } from '../../src/shared/errors.ts'
import { runJob } from '../lib/job.ts'
import { writeResult } from '../lib/results.ts'
import { dataOf, SUBJECT_NAMES, type Subject, specOf, subjectOf } from '../lib/subjects.ts'

/** They calibrate only. */
const NO_LABELS = () => [0]

/** One cell: the verdict, then nodes in integers, share of multiplications and SQNR. */
async function verdict(subject: Subject, target: Target, calibration: string): Promise<string> {
  try {
    const isStatic = target.kind === 'integer' && target.shapes === 'static'
    const report = await runJob({
      model: subject.model,
      recipe: {
        target: target.id,
        method: { type: target.default_method },
        ...(isStatic && subject.shapes && { input_shapes: subject.shapes }),
      },
      data: { calibration },
      spec: specOf(subject),
      threads: 1,
    })
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
for (const subject of SUBJECT_NAMES.map(subjectOf)) {
  const data = await dataOf(subject, 'calibration', NO_LABELS)
  for (const target of Object.values(TARGETS)) {
    const cell = await verdict(subject, target, data)
    console.log(`${subject.name} × ${target.id}: ${cell}`)
    rows.push(`| ${subject.name} | ${target.id} | ${cell} |`)
  }
}
const table = `# Targets on real models

\`npm run -s build && node dist/bench/suites/targets.js\`. Each target's own method with every default, all calibration samples; the verdict is the validator's, read from the written
model. SQNR in dB of the worst output against the float model, on samples that did not calibrate, as ONNX Runtime's CPU kernels compute it.

| model | target | verdict |
|---|---|---|
${rows.join('\n')}
`
writeResult('TARGETS.md', table)
