/** The report as a page: complete, self-contained, and safe whatever the names in a model are. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lineChart } from '../../../src/engine/report/page/chart.ts'
import { html } from '../../../src/engine/report/page/html.ts'
import { renderReport } from '../../../src/engine/report/page/index.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { buildModel, convNet, IMAGE } from '../../kit/model.ts'

describe('the report as a page', () => {
  test('has the figures of the report, and loads nothing', async () => {
    const { report, plan } = await runEngine(convNet(), randomData(60, IMAGE))
    const page = renderReport(report, plan)
    assert.match(page, /^<!doctype html>/)
    assert.ok(page.includes(`${report.metrics.fidelity!.sqnr_db.toFixed(1)} dB`))
    assert.ok(page.includes(`${(1 / report.metrics.size_bytes.ratio).toFixed(2)} × smaller`))
    for (const { step } of report.search) assert.ok(page.includes(step))
    assert.doesNotMatch(page, /<script|https?:|@import|url\(/i)
  })

  test('names of a hostile model are text', async () => {
    const evil = '<img src=x onerror=alert(1)>'
    const m = buildModel()
    const x = m.input('x', ['N', 8])
    const product = m.node('MatMul', [x, m.weight('w', [8, 8])], { name: 'm' })
    m.output(m.node('Tanh', [product], { name: evil }), 'y', ['N', 8])
    const { report, plan } = await runEngine(m.bytes(), randomData(60, [8]))
    const named = {
      ...plan,
      nodes: plan.nodes.map((node) => ({ ...node, node: evil, reason: evil, quantized: false })),
    }
    const page = renderReport({ ...report, warnings: [{ code: evil, detail: evil }] }, named)
    assert.ok(page.includes('&lt;img'))
    assert.ok(!page.includes('<img'))
  })

  test('templates escape values, not what templates made', () => {
    assert.equal(html`<b title="${'"'}">${[html`<i>`, '<', 1, null, false]}</b>`.text, '<b title="&quot;"><i>&lt;1</b>')
  })

  test('curves keep every point within the frame, and ticks are round', () => {
    const points = Array.from({ length: 50 }, (_, i) => [i, Math.sin(i) * 1e-3] as const)
    const { text } = lineChart([{ name: 'loss', points }], { x: 'step', y: 'loss' }, [{ name: 'float', y: 0 }])
    const drawn = /points="([^"]+)"/
      .exec(text)![1]!
      .split(' ')
      .map((pair) => pair.split(',').map(Number))
    assert.equal(drawn.length, points.length)
    assert.ok(drawn.every(([x, y]) => x! >= 0 && x! <= 640 && y! >= 0 && y! <= 260))
    const ticks = [...text.matchAll(/text-anchor="middle">([^<]+)</g)].map(([, number]) => Number(number))
    assert.deepEqual(ticks, [0, 20, 40])
  })
})
