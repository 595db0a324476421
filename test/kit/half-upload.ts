/** An upload that stops in its middle, until it is told to go on. */
import { request } from 'node:http'

/** Returns what sends the rest and resolves to the status, or to 0 when the connection was lost. */
export function halfUpload(url: string, bytes: Uint8Array): () => Promise<number> {
  const half = Math.floor(bytes.length / 2)
  const headers = { 'content-type': 'application/octet-stream', 'content-length': bytes.length }
  const outgoing = request(url, { method: 'POST', headers })
  const answered = new Promise<number>((resolve) => {
    outgoing.once('response', (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    outgoing.once('error', () => resolve(0))
  })
  outgoing.write(bytes.subarray(0, half))
  return () => {
    outgoing.end(bytes.subarray(half))
    return answered
  }
}
