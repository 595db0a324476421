/** Headless Chromium of the system, and a local server for a page that runs onnxruntime-web. */
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
)
/** null: no browser is installed */
export const browserPath: string | null = CHROMIUM ?? null

const WEB = join(import.meta.dirname, '../../../node_modules/onnxruntime-web/dist')
const TYPES: Record<string, string> = {
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.html': 'text/html',
  '.onnx': 'application/octet-stream',
}

export interface Site {
  url: string
  close(): Promise<void>
}

/** Serves `files` by name, and the library under `/ort/`. The page is isolated from nobody: it has one thread, as most have. */
export async function serve(files: Record<string, Uint8Array | string>): Promise<Site> {
  const server: Server = createServer((request, response) => {
    const name = (request.url ?? '/').slice(1)
    const library = /^ort\/([\w.-]+)$/.exec(name)?.[1]
    const content = library === undefined ? files[name] : readFileSync(join(WEB, library))
    response.writeHead(content === undefined ? 404 : 200, { 'content-type': TYPES[extname(name)] ?? 'text/plain' })
    response.end(content)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((closed) => server.close(() => closed())),
  }
}

export const launch = (path: string): Promise<Browser> =>
  chromium.launch({
    executablePath: path,
    headless: true,
    args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--no-first-run'],
  })
