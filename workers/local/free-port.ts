/** Says early, and in one line, that the API could not listen where it should. */
import { createServer } from 'node:net'

/** Throws when the address cannot be bound; port 0 always can. */
export async function requireFreePort(host: string, port: number): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new Error(reasonOf(error, host, port))))
    server.listen(port, host, resolve)
  })
  await new Promise((resolve) => server.close(resolve))
}

function reasonOf({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  return code === 'EADDRINUSE' ? `port ${port} of ${host} is in use; stop what listens there or set PORT` : message
}
