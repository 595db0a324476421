/** Small inputs that went wrong once, through the whole service: each ends as its row says. The rows of one kind of method are one suite. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { allGraphs } from '../../src/engine/ir/graph.ts'
import { decodeModel } from '../../src/engine/onnx/index.ts'
import { finished, type Job, post, upload } from '../kit/client.ts'
import { sqnrOf } from '../kit/follow.ts'
import { type Service, startService } from '../kit/service.ts'
import { float32Reference } from './float32-reference.ts'
import { type Refusal, ROWS, type Row, type Success } from './rows.ts'

const ROOT = join(process.cwd(), 'test', 'cases')
/** targets whose kernels are those of ONNX Runtime on a processor: an artifact means there what they compute */
const ON_THE_CPU = /^cpu-|float16$/
/** a case takes two, a training ten */
const SECONDS = 60
/** none of these may ever be the answer to a file */
const UNCLEAR = ['internal', 'runner_crashed', 'quantization_failed', 'worker_lost']

interface Refused {
  code: string
  words: string
}
type Outcome = Refused | { job: Job; artifact: Buffer }

export type Kind = 'training' | 'compat' | 'static' | 'float16' | 'weights'

const KINDS: Record<string, Kind> = { qat: 'training', static: 'static', float16: 'float16' }

function kindOf({ method }: Row): Kind {
  if (method.compat) return 'compat'
  return KINDS[String(method.type)] ?? 'weights'
}

/** A file for each kind, so that each stays far below the time that a file has on a slow machine. */
export function describeCases(kind: Kind): void {
  describe(`inputs that went wrong once: ${kind}`, { concurrency: 2 }, () => {
    let service: Service
    before(async () => {
      service = await startService({ WORKER_CONCURRENCY: '2' }, ['api', 'worker'])
    })
    after(() => service.close())

    for (const row of ROWS.filter((one) => kindOf(one) === kind)) {
      const name = [row.case, row.model, row.target, ...Object.values(row.method).map((one) => JSON.stringify(one))]
      test(name.join(' '), { todo: row.todo ?? false, timeout: 2000 * SECONDS }, async () => {
        const outcome = await outcomeOf(service.url, row)
        const problems = await Promise.all(row.right.map((right) => problemsOf(row, right, outcome)))
        const isRight = problems.some(({ length }) => length === 0)
        assert.ok(isRight, problems.map((found) => found.join('; ')).join('\n or '))
      })
    }
  })
}

async function outcomeOf(url: string, row: Row): Promise<Outcome> {
  const model = await upload<{ id: string } & Words>(`${url}/v1/models`, readFileSync(modelOf(row)))
  if (model.status >= 400) return refused(model.body)
  const data = row.use ? await upload<{ id: string } & Words>(`${url}/v1/datasets`, readFileSync(dataOf(row)!)) : null
  if (data && data.status >= 400) return refused(data.body)
  const evaluation = row.evaluation
    ? await upload<{ id: string } & Words>(`${url}/v1/datasets`, readFileSync(join(ROOT, row.case, row.evaluation)))
    : null
  const job = await post<Job & Words>(`${url}/v1/jobs`, {
    model_id: model.body.id,
    target: row.target,
    method: row.method,
    ...(row.use && { [row.use]: { dataset_id: data?.body.id, ...(row.steps && { steps: row.steps }) } }),
    limits: { max_runtime_seconds: SECONDS },
    ...(evaluation && { evaluation: { dataset_id: evaluation.body.id } }),
  })
  if (job.status >= 400) return refused(job.body)
  const ended = await finished(url, job.body.id)
  if (ended.status !== 'succeeded') return refused({ ...ended.error })
  const { id } = ended.artifacts.find(({ name }) => name === 'model.onnx')!
  const content = await fetch(`${url}/v1/artifacts/${id}/content`)
  return { job: ended, artifact: Buffer.from(await content.arrayBuffer()) }
}

interface Words {
  code?: string
  detail?: string
  hint?: string | null
}

const refused = ({ code, detail, hint }: Words): Refused => ({
  code: code ?? 'nothing',
  words: [detail, hint].join(' '),
})

const modelOf = (row: Row): string => join(ROOT, row.case, row.model ?? 'model.onnx')

function dataOf(row: Row): string | null {
  const path = join(ROOT, row.case, row.data ?? 'data.npz')
  return existsSync(path) ? path : null
}

/** What is not as it should be, in words; nothing where all is right. */
async function problemsOf(row: Row, right: Success | Refusal, outcome: Outcome): Promise<string[]> {
  if ('refused' in right) return 'code' in outcome ? wrongWords(right, outcome) : ['the job succeeded']
  return 'code' in outcome ? [`refused: ${outcome.code}: ${outcome.words}`] : wrongArtifact(row, right, outcome)
}

const wrongWords = ({ refused }: Refusal, { code, words }: Refused): string[] => [
  ...(UNCLEAR.includes(code) ? [`${code} is nobody's answer: ${words}`] : []),
  ...refused.filter((pattern) => !pattern.test(words)).map((pattern) => `${code}: "${words}" does not say ${pattern}`),
]

async function wrongArtifact(
  row: Row,
  right: Success,
  { job, artifact }: { job: Job; artifact: Buffer },
): Promise<string[]> {
  const { violations } = job.metrics!.target_conformance
  const reported = job.metrics!.fidelity?.sqnr_db ?? 0
  const kernels = job.metrics!.coverage.integer_kernels ?? 0
  const warnings = job.warnings.map(({ code, detail }) => `${code}: ${detail}`).join('\n')
  const ratio = artifact.length / statSync(modelOf(row)).size
  const { sqnr, operators } = await look(row, artifact)
  return [
    ...violations
      .filter(({ detail }) => !right.breaks?.test(detail))
      .map(({ node, rule, detail }) => `${node} breaks ${rule}: ${detail}`),
    ...(right.breaks && violations.length === 0 ? ['no broken rule is named'] : []),
    ...(sqnr >= right.least ? [] : [`${sqnr.toFixed(1)} dB, not ${right.least}`]),
    ...(ratio <= (right.largest ?? Number.POSITIVE_INFINITY) ? [] : [`${ratio.toFixed(2)} of the size`]),
    ...(reported >= (right.reports ?? 0) ? [] : [`the job reports ${reported.toFixed(1)} dB`]),
    ...(kernels >= (right.kernels ?? 0) ? [] : [`${kernels} integer kernels`]),
    ...(right.warns && !right.warns.test(warnings) ? [`no warning says ${right.warns}`] : []),
    ...(right.has ?? []).filter((name) => !operators.has(name)).map((name) => `no ${name}`),
    ...((operators.get('Cast') ?? 0) <= (right.casts ?? Number.POSITIVE_INFINITY) ? [] : ['it has more Casts']),
    ...(right.lacks ?? []).filter((name) => operators.has(name)).map((name) => `it has ${name}`),
  ]
}

/** SQNR of the artifact, and how many of each operator it has. */
async function look(row: Row, artifact: Buffer): Promise<{ sqnr: number; operators: ReadonlyMap<string, number> }> {
  const directory = await mkdtemp(join(tmpdir(), 'fewbit-case-'))
  try {
    const path = join(directory, 'artifact.onnx')
    await writeFile(path, artifact)
    const data = row.evaluation ? join(ROOT, row.case, row.evaluation) : dataOf(row)
    const float = float32Reference(modelOf(row), directory)
    const { graph } = decodeModel(path).model
    const operators = new Map<string, number>()
    for (const { nodes } of allGraphs(graph))
      for (const { opType } of nodes) operators.set(opType, (operators.get(opType) ?? 0) + 1)
    return { sqnr: await sqnrOf(float, path, data, !ON_THE_CPU.test(row.target)), operators }
  } finally {
    await rm(directory, { recursive: true })
  }
}
