/** onnxruntime.quantization in one Python process that answers line by line. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface PeerRequest {
  model: string
  data: string
  target: string
  method: 'static' | 'dynamic'
}

export interface Peer {
  /** null, or why there is no artifact */
  quantize(request: PeerRequest): Promise<string | null>
  close(): void
}

const SCRIPT = join(import.meta.dirname, '..', '..', '..', '..', 'bench', 'peers', 'serve.py')

/** Starts `python` (PYTHON, or python3), which needs onnxruntime and onnx. */
export function openPeer(python = process.env.PYTHON ?? 'python3'): Peer {
  const child = spawn(python, [SCRIPT], { stdio: ['pipe', 'pipe', 'ignore'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async quantize(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`)
      const { value, done } = await lines.next()
      if (done) return 'the process ended'
      return (JSON.parse(value) as { problem: string | null }).problem
    },
    close: () => child.stdin.end(),
  }
}
