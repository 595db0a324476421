/**
 * Random graphs that look like networks, through random methods and targets. `node dist/bench/suites/random/main.js 600 1` runs for 600 seconds from seed 1 and
 * writes bench/results/RANDOM.md; the rows are kept in the file that ROWS names, so that a later run from another seed adds to them. PYTHON names
 * an interpreter with onnxruntime and onnx; without one nothing is compared with the peer.
 */
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openPeer } from './peer.ts'
import { renderRandom } from './table.ts'
import { type Tried, tryGraph } from './try.ts'

const RESULTS = join(import.meta.dirname, '..', '..', '..', '..', 'bench', 'results')
const ROWS = process.env.ROWS ?? join(tmpdir(), 'fewbit-random-graphs.jsonl')

const rows = (): Tried[] =>
  existsSync(ROWS)
    ? readFileSync(ROWS, 'utf8')
        .split('\n')
        .filter((line) => line)
        .map((line) => JSON.parse(line) as Tried)
    : []

const append = (row: Tried): void => appendFileSync(ROWS, `${JSON.stringify(row)}\n`)

/** Until the time is over; a native crash ends this process, and the parent goes on behind the graph. */
async function work(until: number, from: number): Promise<void> {
  const peer = process.env.PYTHON ? openPeer() : null
  for (let seed = from; Date.now() < until; seed++) append(await tryGraph(seed, peer))
  peer?.close()
}

function supervise(seconds: number, from: number): void {
  mkdirSync(RESULTS, { recursive: true })
  const until = Date.now() + 1000 * seconds
  for (let next = from; Date.now() < until; ) {
    const script = process.argv[1]!
    const { status, signal } = spawnSync(process.execPath, [script, 'work', String(until), String(next)], {
      stdio: 'inherit',
    })
    const last = rows().at(-1)?.seed ?? next - 1
    const died = Math.max(last + 1, next)
    if (status !== 0)
      append({
        seed: died,
        opset: 0,
        blocks: '',
        request: '',
        ours: null,
        theirs: null,
        seconds: 0,
        refused: { code: 'crashed', words: `the process ended with ${signal ?? status}` },
      })
    next = died + 1
  }
  writeFileSync(join(RESULTS, 'RANDOM.md'), renderRandom(rows()))
}

const [mode, ...rest] = process.argv.slice(2)
if (mode === 'work') await work(Number(rest[0]), Number(rest[1]))
else supervise(Number(mode ?? 60), Number(rest[0] ?? 1))
