/** The report as a page for people: figures first, then plots, then every layer and every reason. */
import type { PlanDocument, Report } from '../../../contract/report.ts'
import { barChart, lineChart, short } from './chart.ts'
import { type Html, html } from './html.ts'
import { STYLE } from './style.ts'

/** bars that are worth looking at */
const WORST_LAYERS = 20

/** A whole HTML document without scripts that loads nothing. */
export function renderReport(report: Report, plan: PlanDocument): string {
  const { target, method, metrics } = report
  return html`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${method} for ${target}</title><style>${STYLE}</style></head><body>
<h1>${method} for ${target}</h1><p class="soft">Fewbit ${report.fewbit}, ONNX Runtime ${report.onnxruntime}${metrics.latency_ms && html`, measured on ${metrics.latency_ms.measured_on}`}</p>
${report.warnings.map(({ code, detail }) => html`<p class="warning"><b>${code}</b> ${detail}</p>`)}
${cards(report)}${training(report)}${search(report)}${layers(report)}${outputs(report)}${violations(report)}${floats(plan)}${stages(report)}
</body></html>`.text
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`

function cards({
  metrics: { size_bytes, latency_ms, accuracy, fidelity, coverage, target_conformance },
}: Report): Html {
  const card = (value: string, note: string) => html`<div class="card"><b>${value}</b><span>${note}</span></div>`
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`
  return html`<div class="cards">
${accuracy && accuracyCard(card, accuracy)}
${fidelity && card(`${fidelity.sqnr_db.toFixed(1)} dB`, `signal to quantization noise of the worst output${between(fidelity.sqnr_db_ci95, decibels)}; ${fidelity.sqnr_db_median.toFixed(1)} dB for the median sample`)}
${typeof fidelity?.agreement === 'number' && card(percent(fidelity.agreement), agreementNote(fidelity))}
${card(`${(1 / size_bytes.ratio).toFixed(2)} × smaller`, `${megabytes(size_bytes.float)} → ${megabytes(size_bytes.quantized)}`)}
${latency_ms && card(`${latency_ms.speedup.toFixed(2)} × as fast`, `p50 ${latency_ms.float.p50.toFixed(2)} → ${latency_ms.quantized.p50.toFixed(2)} ms, batch ${latency_ms.batch}, ${latency_ms.threads} threads`)}
${card(`${coverage.nodes_quantized} of ${coverage.nodes}`, coverage.macs_integer === null ? 'nodes quantized' : `nodes quantized, ${percent(coverage.macs_integer)} of multiplications`)}
${card(target_conformance.ok ? 'legal' : `${target_conformance.violations.length} violations`, 'by the rules of the target')}
</div>`
}

function accuracyCard(
  card: (value: string, note: string) => Html,
  { metric, float, quantized, samples }: NonNullable<Report['metrics']['accuracy']>,
): Html {
  const say = metric === 'mse' ? short : percent
  const against = COMPARING.includes(metric) ? 'with the float model' : `${say(float)} in float`
  return card(say(quantized), `${metric}, ${against}, ${samples} samples`)
}

/** metrics for which the float model is right */
const COMPARING = ['agreement', 'cosine', 'mse']

type Fidelity = NonNullable<Report['metrics']['fidelity']>

const decibels = (db: number): string => `${db.toFixed(1)} dB`

/** `, 95 % between a and b`; nothing without an interval. */
const between = (interval: readonly number[] | null, say: (x: number) => string): string =>
  interval ? `, 95 % between ${interval.map(say).join(' and ')}` : ''

const agreementNote = ({ agreement_over: over, agreement_ci95 }: Fidelity): string =>
  `same largest class${over ? ` in "${over.output}" over axis ${over.axis}` : ''}${between(agreement_ci95, percent)}`

function training({ training: found }: Report): Html | null {
  if (!found) return null
  const { curve, judged, post_training, float, metric, best } = found
  const scored = judged.flatMap(({ step, metric: value }) => (value === null ? [] : [[step, value] as const]))
  const levels = [
    ['float', float.metric],
    ['post-training', post_training.metric],
  ] as const
  return html`<h2>Training</h2>
<p>${found.steps} of ${found.total_steps} steps of ${found.batch_size} samples, ${found.optimizer}, ${found.loss}, learning rate ${short(found.learning_rate)}; ${found.samples_per_second.toFixed(0)} samples/s, ${found.seconds.toFixed(0)} s; ${best ? `best at step ${best.step}` : 'nothing was better than what it started from'}.</p>
${curve.length > 0 && lineChart([{ name: 'loss', points: curve.map(({ step, loss }) => [step, loss] as const) }], { x: 'step', y: 'loss' })}
${
  scored.length > 0 &&
  lineChart(
    [{ name: `${metric} on held-out samples`, points: scored }],
    { x: 'step', y: metric },
    levels.flatMap(([name, y]) => (y === null ? [] : [{ name, y }])),
  )
}`
}

function search({ search: steps }: Report): Html | null {
  if (steps.length === 0) return null
  return html`<h2>What was tried</h2><table><tr><th>step</th><th class="number">held-out SQNR</th><th></th></tr>
${steps.map(({ step, sqnr_db, kept }) => html`<tr><td>${step}</td><td class="number">${sqnr_db.toFixed(2)} dB</td><td>${kept ? 'kept' : ''}</td></tr>`)}</table>`
}

function layers({ sensitivity }: Report): Html | null {
  const worst = sensitivity.slice(0, WORST_LAYERS)
  if (worst.length === 0) return null
  const bars = worst.map(({ node, op_type, value, sqnr_db, cosine }) => ({
    label: `${node} (${op_type})`,
    value: sqnr_db,
    note: `${value}: ${sqnr_db.toFixed(1)} dB, cosine ${cosine.toFixed(5)}`,
  }))
  return html`<h2>The least faithful layers</h2><p class="soft">Signal to quantization noise at the result of each layer, with everything in front of it quantized too; ${sensitivity.length} layers in all.</p>${barChart(bars, 'dB')}`
}

function outputs({ metrics: { fidelity } }: Report): Html | null {
  if (!fidelity) return null
  return html`<h2>Outputs</h2><table><tr><th>output</th><th>holds</th><th class="number">SQNR</th><th class="number">95 %</th><th class="number">median sample</th><th class="number">cosine</th><th class="number">largest error</th></tr>
${fidelity.outputs.map(({ name, kind, sqnr_db, sqnr_db_ci95, sqnr_db_median, cosine, max_abs_error }) => html`<tr><td class="name">${name}</td><td>${KINDS[kind]}</td><td class="number">${decibels(sqnr_db)}</td><td class="number">${sqnr_db_ci95?.map((db) => db.toFixed(1)).join(' … ') ?? ''}</td><td class="number">${decibels(sqnr_db_median)}</td><td class="number">${cosine.toFixed(5)}</td><td class="number">${short(max_abs_error)}</td></tr>`)}</table>`
}

const KINDS: Record<Fidelity['outputs'][number]['kind'], string> = {
  numbers: 'numbers',
  discrete: 'whole numbers or a mask',
  nearly_zero: 'nearly zero',
}

function violations({ metrics: { target_conformance } }: Report): Html | null {
  if (target_conformance.ok) return null
  return html`<h2>Violations</h2><table><tr><th>node</th><th>rule</th><th>what</th></tr>
${target_conformance.violations.map(({ node, rule, detail }) => html`<tr><td class="name">${node}</td><td><code>${rule}</code></td><td>${detail}</td></tr>`)}</table>`
}

function floats({ nodes }: PlanDocument): Html | null {
  const float = nodes.filter(({ quantized }) => !quantized)
  if (float.length === 0) return null
  return html`<h2>What stays float</h2><details><summary>${float.length} of ${nodes.length} nodes, with reasons</summary><table>
${float.map(({ node, op_type, reason }) => html`<tr><td class="name">${node}</td><td>${op_type}</td><td>${reason}</td></tr>`)}</table></details>`
}

function stages({ stages: found }: Report): Html {
  return html`<h2>Where the time went</h2>${barChart(
    found.map(({ name, seconds }) => ({ label: name, value: seconds, note: `${seconds.toFixed(2)} s` })),
    's',
  )}`
}
