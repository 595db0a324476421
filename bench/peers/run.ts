/**
 * Fewbit beside onnxruntime.quantization on the same models and data: accuracy, artifact latency, time and memory of the quantization.
 * `node dist/bench/peers/run.js [model …]` measures these models anew, keeps the rest, and writes bench/peers/RESULTS.md.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { MODELS_ROOT } from '../models.ts'
import { type Compared, compare } from './compare.ts'
import { SUBJECTS } from './subjects.ts'
import { resultsPage } from './table.ts'

const CACHE = join('bench', '.cache', 'peers.json')

async function main(wished: readonly string[]): Promise<void> {
  const known = existsSync(CACHE) ? (JSON.parse(readFileSync(CACHE, 'utf8')) as Record<string, Compared>) : {}
  mkdirSync(dirname(CACHE), { recursive: true })
  for (const subject of SUBJECTS) {
    if (wished.length > 0 && !wished.includes(subject.name)) continue
    known[subject.name] = await compare(subject)
    writeFileSync(CACHE, JSON.stringify(known, null, 1))
    writeFileSync(join('bench', 'peers', 'RESULTS.md'), resultsPage(SUBJECTS.flatMap(({ name }) => known[name] ?? [])))
  }
}

if (existsSync(MODELS_ROOT)) await main(process.argv.slice(2))
else console.log('The shared models are not here.')
