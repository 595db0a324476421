/**
 * Fewbit beside onnxruntime.quantization on the same models and data: accuracy, artifact latency, time and memory of the quantization.
 * `node dist/bench/peers/run.js [model …]` measures these models again, keeps the rest, and writes bench/results/PEERS.md.
 */
import { keep, readKept, writeResult } from '../lib/results.ts'
import { type Compared, compare } from './compare.ts'
import { SUBJECTS } from './subjects.ts'
import { resultsPage } from './table.ts'

const CACHE = 'peers.json'

async function main(wished: readonly string[]): Promise<void> {
  const known = readKept<Record<string, Compared>>(CACHE, {})
  for (const subject of SUBJECTS) {
    if (wished.length > 0 && !wished.includes(subject.name)) continue
    known[subject.name] = await compare(subject)
    keep(CACHE, known)
    writeResult('PEERS.md', resultsPage(SUBJECTS.flatMap(({ name }) => known[name] ?? [])))
  }
}

await main(process.argv.slice(2))
