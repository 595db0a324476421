/** Plots as inline SVG: curves over steps, and bars of decibels. */
import { type Html, html } from './html.ts'

export interface Series {
  name: string
  points: readonly (readonly [x: number, y: number])[]
  /** only its points, not a curve */
  dots?: boolean
}

const [WIDTH, HEIGHT] = [640, 260]
const MARGIN = { left: 58, right: 12, top: 12, bottom: 34 }
const TICKS = 5
/** of round distances between ticks */
const STEPS = [1, 2, 5]

/** Curves over a common x axis; horizontal lines for what does not change. */
export function lineChart(
  series: readonly Series[],
  labels: { x: string; y: string },
  levels: readonly { name: string; y: number }[] = [],
): Html {
  const points = series.flatMap((one) => one.points)
  const xs = boundsOf(points.map(([x]) => x))
  const ys = boundsOf([...points.map(([, y]) => y), ...levels.map(({ y }) => y)])
  const at = scales(xs, ys)
  return html`<figure><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${labels.y} over ${labels.x}">
    ${ticks(ys).map((y) => html`<line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${at.y(y)}" y2="${at.y(y)}"/><text class="tick" x="${MARGIN.left - 6}" y="${at.y(y) + 4}" text-anchor="end">${short(y)}</text>`)}
    ${ticks(xs).map((x) => html`<text class="tick" x="${at.x(x)}" y="${HEIGHT - MARGIN.bottom + 16}" text-anchor="middle">${short(x)}</text>`)}
    <text class="tick" x="${WIDTH - MARGIN.right}" y="${HEIGHT - 4}" text-anchor="end">${labels.x}</text>
    ${levels.map(({ name, y }, i) => html`<line class="level c${series.length + i}" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${at.y(y)}" y2="${at.y(y)}"><title>${name}: ${short(y)}</title></line>`)}
    ${series.map((one, i) => (one.dots ? dots(one, at, i) : curve(one, at, i)))}
  </svg><figcaption>${[...series, ...levels].map(({ name }, i) => html`<span class="key c${i}">${name}</span> `)}</figcaption></figure>`
}

interface Scales {
  x: (value: number) => number
  y: (value: number) => number
}

function scales([x0, x1]: readonly number[], [y0, y1]: readonly number[]): Scales {
  const [width, height] = [WIDTH - MARGIN.left - MARGIN.right, HEIGHT - MARGIN.top - MARGIN.bottom]
  const round = (value: number) => Math.round(value * 10) / 10
  return {
    x: (value) => round(MARGIN.left + ((value - x0!) / (x1! - x0!)) * width),
    y: (value) => round(MARGIN.top + (1 - (value - y0!) / (y1! - y0!)) * height),
  }
}

function boundsOf(values: readonly number[]): readonly [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const room = high > low ? (high - low) * 0.04 : Math.abs(high) * 0.1 || 1
  return [low - room, high + room]
}

/** Round numbers within the bounds, about as many as fit. */
function ticks([low, high]: readonly [number, number]): number[] {
  const rough = (high - low) / TICKS
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * (STEPS.find((factor) => factor * power >= rough) ?? 10)
  const first = Math.ceil(low / step)
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step)
}

const curve = ({ name, points }: Series, at: Scales, i: number): Html =>
  html`<polyline class="curve c${i}" points="${points.map(([x, y]) => `${at.x(x)},${at.y(y)}`).join(' ')}"><title>${name}</title></polyline>`

const dots = ({ name, points }: Series, at: Scales, i: number): Html =>
  html`<g class="c${i}">${points.map(([x, y]) => html`<circle cx="${at.x(x)}" cy="${at.y(y)}" r="3.5"><title>${name}, ${short(x)}: ${short(y)}</title></circle>`)}</g>`

export interface Bar {
  label: string
  value: number
  note: string
}

/** Horizontal bars from 0 to the largest value. */
export function barChart(bars: readonly Bar[], unit: string): Html {
  const largest = Math.max(...bars.map(({ value }) => value), 1e-9)
  const share = (value: number) => Math.max(0, Math.min(100, (100 * value) / largest))
  return html`<table class="bars">${bars.map(({ label, value, note }) => html`<tr title="${note}"><td class="name">${label}</td><td class="bar"><i style="width:${share(value).toFixed(1)}%"></i></td><td class="number">${short(value)} ${unit}</td></tr>`)}</table>`
}

/** A number as a reader wants it: four digits at most. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return value.toExponential(1)
  return String(Number(value.toPrecision(4)))
}
