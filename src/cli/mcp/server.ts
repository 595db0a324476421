/** The server of `fewbit mcp`: tools over standard input and output, for agents. */
import { McpServer, type ServerContext } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { asFewbitError } from '../../engine/errors.ts'
import { VERSION } from '../../shared/version.ts'
import { runVerb, type Said } from '../verb.ts'
import { pathIn } from './paths.ts'
import { ReadReport, readReport } from './read-report.ts'
import { TOOLS, type Tool } from './tools.ts'

const INSTRUCTIONS = `Fewbit makes ONNX models smaller and faster and proves what it costs.
Begin with inspect_model. quantize_model makes one artifact, compare_methods tries several and says whether training pays, read_report tells more of a result.
Data is .npz: one array per input, first axis = sample. Without data only dynamic, weight_only and float16 can be trusted.`

/** Serves files below `root` until standard input ends. */
export function serve(root: string): void {
  serveStdio(() => createServer(root))
}

function createServer(root: string): McpServer {
  const server = new McpServer({ name: 'fewbit', version: VERSION }, { instructions: INSTRUCTIONS })
  for (const [name, tool] of Object.entries(TOOLS))
    server.registerTool(name, describe(tool), (input, context) => answer(() => call(tool, input, root, context)))
  server.registerTool(
    'read_report',
    {
      title: 'Read a report',
      description:
        'One section of the report that quantize_model wrote: metrics, sensitivity of layers, search, stages, options.',
      inputSchema: ReadReport,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ path, section, offset }) => answer(async () => readReport(pathIn(root, path), section, offset)),
  )
  return server
}

const describe = ({ title, description, input, writes }: Tool) => ({
  title,
  description,
  inputSchema: input,
  annotations: { readOnlyHint: !writes, destructiveHint: writes, openWorldHint: false },
})

/** Exit codes 0 and 3 are results, and so are the broken rules that `check` ends with 1 for. */
async function call(tool: Tool, input: unknown, root: string, context: ServerContext): Promise<unknown> {
  const args = tool.args(input, (path) => pathIn(root, path))
  const said = await runVerb({ args, directory: root, signal: context.mcpReq.signal, onProgress: telling(context) })
  if ('error' in said.found) throw refusalOf(said)
  return tool.show(said, input)
}

function telling({ mcpReq }: ServerContext): (message: string) => void {
  const token = mcpReq._meta?.progressToken
  let progress = 0
  return (message) => {
    if (token === undefined || !message) return
    const params = { progressToken: token, progress: ++progress, message }
    mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {})
  }
}

class Refusal extends Error {}

function refusalOf({ found }: Said): Refusal {
  const { detail, hint } = found.error as { detail?: string; hint?: string }
  return new Refusal([detail, hint && `hint: ${hint}`].filter(Boolean).join('\n'))
}

interface Answer {
  content: { type: 'text'; text: string }[]
  isError?: boolean
  [other: string]: unknown
}

async function answer(find: () => Promise<unknown>): Promise<Answer> {
  try {
    return { content: [{ type: 'text', text: JSON.stringify(await find(), null, 1) }] }
  } catch (error) {
    return { content: [{ type: 'text', text: textOf(error) }], isError: true }
  }
}

function textOf(error: unknown): string {
  if (error instanceof Refusal) return error.message
  const { detail, hint } = asFewbitError(error, 'command')
  return [detail, hint && `hint: ${hint}`].filter(Boolean).join('\n')
}
