/** From a store's URL to the store. */
import { fileURLToPath } from 'node:url'
import { openFileStore } from './fs.ts'
import type { Store } from './store.ts'

const SCHEMES: Record<string, (url: string) => Promise<Store>> = {
  'file:': (url) => openFileStore(directoryOf(url)),
}

/** `file:/absolute/directory` or `file:///absolute/directory`. */
export async function openStore(url: string): Promise<Store> {
  const scheme = url.slice(0, url.indexOf(':') + 1)
  const open = SCHEMES[scheme]
  if (!open) throw new Error(`STORE_URL: no store for ${scheme || url}`)
  return open(url)
}

function directoryOf(url: string): string {
  return url.startsWith('file://') ? fileURLToPath(url) : url.slice('file:'.length)
}
