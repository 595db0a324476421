/** The option that names a service, which the commands that talk to one have. */
import type { Command } from 'commander'

export interface ServerOption {
  server?: string
}

export const addServer = (command: Command): Command =>
  command.option(
    '-s, --server <url>',
    'the service; otherwise FEWBIT_SERVER, `fewbit login`, or http://localhost:8080. Its key: FEWBIT_API_KEY or `fewbit login`',
  )
