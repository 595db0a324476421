/** What every store must keep: the conformance suite, run over the file store. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { openFileStore } from '../../src/storage/fs.ts'
import { openStore } from '../../src/storage/open.ts'
import type { Store } from '../../src/storage/store.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected
const ABSENT = 'ab'.repeat(32)

describe('a store', () => {
  let root: string
  let store: Store
  const bytes = randomBytes(300_000)
  const digest = sha256(bytes)
  const filesOf = async () =>
    (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'fewbit-store-'))
    store = await openStore(`file:${root}`)
  })
  after(() => rm(root, { recursive: true }))

  test('gives back what was put, whole and in ranges', async () => {
    const object = await store.put(Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)]), {
      maxBytes: 1 << 20,
    })
    assert.deepEqual(object, { sha256: digest, size: bytes.length })
    assert.deepEqual(await buffer(await store.get(digest)), bytes)
    assert.deepEqual(await buffer(await store.get(digest, { start: 10, end: 19 })), bytes.subarray(10, 20))
    assert.deepEqual(await store.head(digest), { size: bytes.length })
  })

  test('the same bytes again are the same object', async () => {
    await store.put(Readable.from([bytes]), { maxBytes: 1 << 20 })
    assert.equal((await filesOf()).length, 1)
  })

  test('copies are not links and files are private', async () => {
    const copy = join(root, 'tmp', 'copy')
    await store.copyTo(digest, copy)
    assert.deepEqual(await readFile(copy), bytes)
    assert.equal((await stat(copy)).nlink, 1)
    await rm(copy)
    await store.withFile(digest, async (path) => assert.equal((await stat(path)).mode & 0o777, 0o600))
  })

  test('what is not there is not_found', async () => {
    await assert.rejects(store.get(ABSENT), code('not_found'))
    await assert.rejects(store.get('../../etc/passwd'), code('not_found'))
    await assert.rejects(store.copyTo(ABSENT, join(root, 'tmp', 'x')), code('not_found'))
    await assert.rejects(
      store.withFile(ABSENT, async () => {}),
      code('not_found'),
    )
    assert.equal(await store.head(ABSENT), null)
    await store.delete(ABSENT)
  })

  test('a refused, failed or aborted put leaves nothing', async () => {
    const earlier = (await filesOf()).length
    await assert.rejects(store.put(Readable.from([bytes]), { maxBytes: 1000 }), code('payload_too_large'))
    const broken = Readable.from(
      (async function* () {
        yield bytes
        throw Object.assign(new Error('gone'), { code: 'ECONNRESET' })
      })(),
    )
    await assert.rejects(store.put(broken, { maxBytes: 1 << 20 }), code('upload_aborted'))
    const abort = new AbortController()
    const endless = Readable.from(
      (async function* () {
        for (;;) yield await new Promise<Buffer>((resolve) => setTimeout(resolve, 5, Buffer.alloc(10)))
      })(),
    )
    setTimeout(() => abort.abort(), 30)
    await assert.rejects(store.put(endless, { maxBytes: 1 << 20, signal: abort.signal }), code('upload_aborted'))
    assert.equal((await filesOf()).length, earlier)
  })

  test('a full disk refuses, old leftovers go, fresh ones stay', async () => {
    const old = join(root, 'tmp', 'old')
    const fresh = join(root, 'tmp', 'fresh')
    await writeFile(old, 'x')
    await writeFile(fresh, 'x')
    await utimes(old, 1000, 1000)
    const full = await openFileStore(root, { reserveBytes: Number.MAX_SAFE_INTEGER })
    assert.deepEqual(await readdir(join(root, 'tmp')), ['fresh'])
    await rm(fresh)
    await assert.rejects(full.put(Readable.from([bytes]), { maxBytes: 1 << 20 }), code('insufficient_storage'))
    assert.deepEqual(await readdir(join(root, 'tmp')), [])
  })

  test('a store that is gone is not an object that is missing', async () => {
    await rename(root, `${root}-gone`)
    // where a disk is not mounted there is often a directory
    for (const prepare of [async () => {}, () => mkdir(root)]) {
      await prepare()
      const copy = `${root}-gone/copy`
      await assert.rejects(store.get(digest), code('store_unavailable'))
      await assert.rejects(store.head(digest), code('store_unavailable'))
      await assert.rejects(store.copyTo(digest, copy), code('store_unavailable'))
      const put = store.put(Readable.from([bytes]), { maxBytes: 1 << 20 })
      await assert.rejects(put, code('store_unavailable'))
    }
    await rm(root, { recursive: true })
    await rename(`${root}-gone`, root)
    assert.deepEqual(await store.head(digest), { size: bytes.length })
  })

  test('delete', async () => {
    await store.delete(digest)
    assert.equal((await filesOf()).length, 0)
  })
})
