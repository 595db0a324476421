/** A 1 GB model is uploaded: what does the API's memory do, and how fast is it? */
import { request } from 'node:http'
import type { BenchService } from '../lib/service.ts'

const WEIGHT_BYTES = 1_000_000_000
const CHUNK = Buffer.alloc(4 << 20)
const SAMPLE_MS = 50

export interface UploadResult {
  bytes: number
  seconds: number
  memoryBefore: number
  memoryPeak: number
}

/** Uploads a valid model with one weight of 1 GB of zeros, raw, at full speed. */
export async function benchUpload({ url, apiMemory }: BenchService): Promise<UploadResult> {
  const { head, tail } = modelAround(WEIGHT_BYTES)
  const bytes = head.length + WEIGHT_BYTES + tail.length
  const memoryBefore = apiMemory()
  let memoryPeak = memoryBefore
  const sampler = setInterval(() => {
    memoryPeak = Math.max(memoryPeak, apiMemory())
  }, SAMPLE_MS)
  const started = performance.now()
  const status = await send(`${url}/v1/models?name=large`, bytes, pieces(head, tail))
  clearInterval(sampler)
  if (status !== 201) throw new Error(`the upload was answered with ${status}`)
  return { bytes, seconds: (performance.now() - started) / 1000, memoryBefore, memoryPeak }
}

function* pieces(head: Buffer, tail: Buffer): Generator<Buffer> {
  yield head
  for (let left = WEIGHT_BYTES; left > 0; left -= CHUNK.length) yield CHUNK.subarray(0, Math.min(left, CHUNK.length))
  yield tail
}

async function send(url: string, length: number, body: Iterable<Buffer>): Promise<number> {
  const outgoing = request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'content-length': length },
  })
  const answered = new Promise<number>((resolve, reject) => {
    outgoing.once('response', (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    outgoing.once('error', reject)
  })
  for (const piece of body) if (!outgoing.write(piece)) await new Promise((resolve) => outgoing.once('drain', resolve))
  outgoing.end()
  return answered
}

/** The bytes of y = x + w before and after those of w (float32). Field numbers as in onnx.proto. */
function modelAround(weightBytes: number): { head: Buffer; tail: Buffer } {
  const elements = weightBytes / 4
  const type = (name: string) => {
    const shape = delimited(2, delimited(1, int(1, elements)))
    return Buffer.concat([
      delimited(1, Buffer.from(name)),
      delimited(2, delimited(1, Buffer.concat([int(1, 1), shape]))),
    ])
  }
  const node = Buffer.concat(['x', 'w'].map((name) => delimited(1, Buffer.from(name))))
  const add = Buffer.concat([node, delimited(2, Buffer.from('y')), delimited(4, Buffer.from('Add'))])
  const beforeRaw = Buffer.concat([
    int(1, elements),
    int(2, 1),
    delimited(8, Buffer.from('w')),
    tag(9, 2),
    varint(weightBytes),
  ])
  const tensorHead = Buffer.concat([tag(5, 2), varint(beforeRaw.length + weightBytes), beforeRaw])
  const graphHead = Buffer.concat([delimited(1, add), delimited(2, Buffer.from('g'))])
  const graphTail = Buffer.concat([delimited(11, type('x')), delimited(12, type('y'))])
  const graphLength = graphHead.length + tensorHead.length + weightBytes + graphTail.length
  return {
    head: Buffer.concat([int(1, 8), tag(7, 2), varint(graphLength), graphHead, tensorHead]),
    tail: Buffer.concat([graphTail, delimited(8, int(2, 17))]),
  }
}

const tag = (field: number, wire: number): Buffer => varint(field * 8 + wire)
const int = (field: number, value: number): Buffer => Buffer.concat([tag(field, 0), varint(value)])
const delimited = (field: number, bytes: Buffer): Buffer => Buffer.concat([tag(field, 2), varint(bytes.length), bytes])

function varint(value: number): Buffer {
  return value < 128
    ? Buffer.from([value])
    : Buffer.concat([Buffer.from([(value % 128) + 128]), varint(Math.floor(value / 128))])
}
