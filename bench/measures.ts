/**
 * Measures of the sources: files per room, lines of files and functions, escapes from the type system, cycles of imports with types
 * counted, and the arrows between the rooms of the engine. `node dist/bench/measures.js`
 */
import { readFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import ts from 'typescript'

const parsed = ts.getParsedCommandLineOfConfigFile(
  'tsconfig.json',
  {},
  { ...ts.sys, onUnRecoverableConfigFileDiagnostic: ({ messageText }) => console.error(messageText) },
)
if (!parsed) throw new Error('no tsconfig.json here: run this in the root of the repository')

const files = parsed.fileNames
  .map((path) => relative('.', path))
  .filter((path) => /^(src|workers)\//.test(path))
  .map((path) => ({
    path,
    source: ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ESNext, true),
  }))

const counts = { any: 0, as: 0, '!': 0 }
const functionLines: number[] = []
for (const { source } of files) visit(source, source)

const imports = new Map(files.map(({ path, source }) => [path, importsOf(path, source)]))
const rooms = tally(files.map(({ path }) => roomOf(path)))
const arrows = tally(
  [...imports].flatMap(([path, found]) =>
    found.flatMap((to) => {
      const [a, b] = [engineRoom(path), engineRoom(to)]
      return a && b && a !== b ? [`${a} → ${b}`] : []
    }),
  ),
)

print('files', String(files.length))
print('lines', String(files.reduce((sum, { source }) => sum + linesOf(source), 0)))
print('function lines, median / p90 / max', spread(functionLines))
print('file lines, median / p90 / max', spread(files.map(({ source }) => linesOf(source))))
print('any / as / !', `${counts.any} / ${counts.as} / ${counts['!']}`)
print('groups of files in a cycle of imports', String(cycles(imports)))
print(
  'rooms and arrows of the engine',
  `${[...rooms.keys()].filter((room) => room.startsWith('src/engine/')).length} / ${arrows.size}`,
)
for (const [room, count] of [...rooms].toSorted(([a], [b]) => a.localeCompare(b)))
  print(`files in ${room}`, String(count))

function print(name: string, value: string): void {
  console.log(name.padEnd(44), value)
}

function visit(node: ts.Node, source: ts.SourceFile): void {
  if (node.kind === ts.SyntaxKind.AnyKeyword) counts.any++
  if (ts.isAsExpression(node) && node.type.getText(source) !== 'const') counts.as++
  if (ts.isNonNullExpression(node)) counts['!']++
  const isFunction =
    ts.isFunctionDeclaration(node) ||
    ts.isArrowFunction(node) ||
    ts.isMethodDeclaration(node) ||
    ts.isFunctionExpression(node)
  if (isFunction && node.body && ts.isBlock(node.body)) functionLines.push(linesBetween(node, source))
  ts.forEachChild(node, (child) => visit(child, source))
}

function linesBetween(node: ts.Node, source: ts.SourceFile): number {
  const line = (position: number) => source.getLineAndCharacterOfPosition(position).line
  return line(node.end) - line(node.getStart(source)) + 1
}

function linesOf(source: ts.SourceFile): number {
  return source.getLineAndCharacterOfPosition(source.end).line
}

function importsOf(path: string, source: ts.SourceFile): string[] {
  return source.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return []
    const from = statement.moduleSpecifier
    if (!from || !ts.isStringLiteral(from) || !from.text.startsWith('.')) return []
    return [relative('.', resolve(dirname(path), from.text))]
  })
}

/** Two folders deep in the engine, one elsewhere. */
function roomOf(path: string): string {
  return engineRoom(path) ?? dirname(path).split('/').slice(0, 2).join('/')
}

function engineRoom(path: string): string | null {
  return /^src\/engine\/[^/]+(?=\/)/.exec(path)?.[0] ?? null
}

function tally(names: readonly string[]): Map<string, number> {
  const found = new Map<string, number>()
  for (const name of names) found.set(name, (found.get(name) ?? 0) + 1)
  return found
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  return [0.5, 0.9, 1].map((share) => sorted[Math.ceil(share * sorted.length) - 1] ?? 0).join(' / ')
}

/** Strongly connected components of more than one file (Tarjan 1972). */
function cycles(graph: ReadonlyMap<string, readonly string[]>): number {
  const index = new Map<string, number>()
  const stack: string[] = []
  let found = 0
  const enter = (file: string): number => {
    const own = index.size
    index.set(file, own)
    stack.push(file)
    let lowest = own
    for (const next of graph.get(file) ?? []) {
      if (!index.has(next)) lowest = Math.min(lowest, enter(next))
      else if (stack.includes(next)) lowest = Math.min(lowest, index.get(next) ?? own)
    }
    if (lowest === own && stack.splice(stack.lastIndexOf(file)).length > 1) found++
    return lowest
  }
  for (const file of graph.keys()) if (!index.has(file)) enter(file)
  return found
}
