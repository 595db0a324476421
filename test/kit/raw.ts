/** Requests as bytes on a socket, for what no HTTP client would send. */
import { connect } from 'node:net'

export interface RawAnswer {
  status: number
  headers: Record<string, string>
  text: string
  /** parsed when it is JSON */
  body: Record<string, unknown>
}

/** Sends the bytes and reads until the server closes, or until an answer with a length is complete. */
export function sendRaw(url: string, bytes: string | Buffer, timeoutMs = 5000): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    let received = ''
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no whole answer within ${timeoutMs} ms: ${received.slice(0, 200)}`))
    }, timeoutMs)
    const finish = () => {
      clearTimeout(timer)
      socket.destroy()
      resolve(parse(received))
    }
    socket.setEncoding('latin1').on('data', (text: string) => {
      received += text
      if (isComplete(received)) finish()
    })
    socket.on('error', () => {})
    socket.once('close', finish)
  })
}

function isComplete(text: string): boolean {
  const [, head = '', rest] = /^(HTTP[\s\S]*?)\r\n\r\n([\s\S]*)$/.exec(text) ?? []
  if (/^HTTP\S* (204|304)/.test(head)) return true
  const length = /content-length: (\d+)/i.exec(head)?.[1]
  return rest !== undefined && length !== undefined && rest.length >= Number(length)
}

function parse(text: string): RawAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [line = '', ...fields] = head.split('\r\n')
  const headers = Object.fromEntries(
    fields.map((field) => [
      field.slice(0, field.indexOf(':')).toLowerCase(),
      field.slice(field.indexOf(':') + 1).trim(),
    ]),
  )
  const body = rest.join('\r\n\r\n')
  const isJson = /json/.test(headers['content-type'] ?? '')
  return { status: Number(line.split(' ')[1] ?? 0), headers, text: body, body: isJson ? JSON.parse(body) : {} }
}
