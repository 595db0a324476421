/** Post-training quantization or training? Every method on real models, for several forms of integers. Writes docs/ptq-vs-qat.md as it goes. */
import { type CompareOptions, compare } from '../../../src/engine/index.ts'
import { keep, readKept, writePage } from '../../lib/results.ts'
import { type Finding, pageOf } from './page.ts'
import { FORMS, type Form, modelOf, optionsFor, TRIALS, type Trial } from './trials.ts'

const KEPT = 'ptq-or-qat.json'

async function measure(trial: Trial, form: Form): Promise<Finding> {
  const options = { ...(await optionsFor(trial, form)), ...timedRows(60_000 * trial.minutes) }
  return { model: trial.name, form: form.title, comparison: (await compare(modelOf(trial), options)).comparison }
}

/** A row that takes longer ends with what it has; the next one begins with a clock of its own. */
function timedRows(most: number): Pick<CompareOptions, 'stop' | 'onRow'> {
  let began = performance.now()
  return {
    stop: () => performance.now() - began > most,
    onRow: ({ rows }) => {
      began = performance.now()
      console.log(
        `  ${rows.map(({ name, status, cost }) => `${name} ${cost?.seconds.toFixed(0) ?? status}`).join(', ')}`,
      )
    },
  }
}

/** In the place of an older one of its kind. */
function keepFinding(found: Finding): void {
  const isOther = (old: Finding) => old.model !== found.model || old.form !== found.form
  const all = [...readKept<Finding[]>(KEPT, []).filter(isOther), found]
  keep(KEPT, all)
  writePage('ptq-vs-qat.md', pageOf(all))
}

async function main([models = '', forms = '']: readonly string[]): Promise<void> {
  for (const trial of TRIALS.filter(({ name }) => name.includes(models))) {
    for (const form of FORMS.filter(({ title }) => title.includes(forms))) {
      console.log(`${trial.name}, ${form.title}`)
      const found = await measure(trial, form)
      console.log(found.comparison.recommendation?.text ?? 'nothing ran')
      keepFinding(found)
    }
  }
}

await main(process.argv.slice(2))
