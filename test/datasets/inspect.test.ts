/** Reading an upload ends, whatever it costs: past its limits the client hears why. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspectDataset } from '../../src/datasets/inspect.ts'
import { randomData } from '../kit/data.ts'

test('a data set that takes too long to read is refused as a data set', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'fewbit-inspect-'))
  t.after(() => rm(directory, { recursive: true }))
  const path = join(directory, 'data.npz')
  await writeFile(path, randomData(3, [8]))
  const { samples } = await inspectDataset(path, {})
  assert.equal(samples, 3)
  await assert.rejects(inspectDataset(path, {}, { timeoutMs: 1, memoryMb: 512 }), {
    code: 'dataset_array_invalid',
    message: /longer than 1 ms/,
  })
})
