/** The walks of docs/adding-*.md, applied together to a copy of the sources: they compile and do what they say. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Block, blocksOf } from './blocks.ts'
import { type Copy, copySources } from './copy.ts'

const WALKS = ['adding-an-operator.md', 'adding-a-target.md', 'adding-a-method.md', 'adding-a-route.md']

let copy: Copy
before(() => {
  copy = copySources()
})
after(() => copy.remove())

/** The lines of a diff as they were, or as they shall be. */
const side = (text: string, mark: '-' | '+'): string =>
  text
    .trimEnd()
    .split('\n')
    .filter((line) => line.startsWith(' ') || line.startsWith(mark))
    .map((line) => `${line.slice(1)}\n`)
    .join('')

function apply({ language, file, text }: Block): void {
  if (file === undefined) return
  if (language === 'diff') copy.replace(file, side(text, '-'), side(text, '+'))
  else copy.add(file, text)
}

const commandsOf = (walk: string): string[] =>
  blocksOf(walk)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.trim().split('\n'))
    .filter((line) => line !== 'npm run build')

describe('the walks', () => {
  test('apply to the sources as they are, and compile', () => {
    for (const walk of WALKS) for (const block of blocksOf(walk)) apply(block)
    assert.equal(copy.compile().said, '')
  })

  for (const walk of WALKS)
    test(`${walk} does what it says`, () => {
      const commands = commandsOf(walk)
      assert.ok(commands.length > 0)
      for (const line of commands) {
        const [command = '', ...args] = line.split(' ')
        const { failed, said } = copy.run(command, args)
        assert.ok(!failed, `${line}\n${said}`)
        if (args.includes('--test')) assert.match(said, /^# pass [1-9]/m, line)
      }
    })

  test('the route is in the description of the API, and so is the target', () => {
    const text = copy.read('openapi.yaml')
    assert.match(text, /^ {2}\/v1\/methods:$/m)
    assert.match(text, /npu-example/)
  })
})
