/** Decode and encode: what goes through both is the same model to ONNX Runtime, and what lies is refused with a reason. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { findFeeds } from '../../../src/engine/data/synthetic.ts'
import { check } from '../../../src/engine/ir/check.ts'
import { print } from '../../../src/engine/ir/print.ts'
import { decodeModel, encodeModel } from '../../../src/engine/onnx/index.ts'
import { openRuntime } from '../../../src/engine/runtime/ort.ts'
import type { RunTensor } from '../../../src/engine/runtime/runtime.ts'
import { FewbitError } from '../../../src/shared/errors.ts'
import { sharedFile } from '../../kit/goldens.ts'
import { convNet, endlessLoop, mlp } from '../../kit/model.ts'

const directory = mkdtempSync(join(tmpdir(), 'fewbit-codec-'))
after(() => rmSync(directory, { recursive: true }))

const file = (name: string, bytes: Uint8Array): string => {
  const path = join(directory, name)
  writeFileSync(path, bytes)
  return path
}
const runtime = openRuntime(1)

async function run(path: string, feeds?: Record<string, RunTensor>) {
  const session = await runtime.load(path, { optimization: 'disabled' })
  const used = feeds ?? (await findFeeds(session, 3))
  const results = used && (await session.run(used))
  await session.release()
  return { feeds: used, results }
}

describe('a model that is decoded and encoded again', () => {
  for (const [name, bytes] of [
    ['convolutions', convNet()],
    ['matrices', mlp()],
  ] as const) {
    test(`${name}: computes the same to the bit, and reads the same a second time`, async () => {
      const original = file('a.onnx', bytes)
      const { model } = decodeModel(original)
      check(model)
      const again = file('b.onnx', encodeModel(model))
      const { feeds, results } = await run(original)
      assert.ok(feeds && results)
      assert.deepEqual((await run(again, feeds)).results, results)
      assert.equal(print(decodeModel(again).model), print(model))
    })
  }

  test('subgraphs keep the values that they capture', () => {
    const { model } = decodeModel(file('loop.onnx', endlessLoop()))
    check(model)
    assert.match(print(model), /y = Loop\(trips, go, \w+\)\n {2}input i: int64\[\]/)
    assert.equal(print(decodeModel(file('loop2.onnx', encodeModel(model))).model), print(model))
  })
})

describe('a file that is damaged', () => {
  const whole = convNet()
  const codeOf = (bytes: Uint8Array): string => {
    try {
      decodeModel(file('bad.onnx', bytes))
      return 'accepted'
    } catch (error) {
      assert.ok(error instanceof FewbitError, String(error))
      return error.code
    }
  }

  test('cut anywhere, it is refused as cut or as no model, never accepted and never a crash', () => {
    for (let length = 0; length < whole.length; length += 97) {
      assert.match(
        codeOf(whole.slice(0, length)),
        /^model_(truncated|not_onnx|invalid|empty|opset_unsupported|tensor_invalid)$/,
      )
    }
  })

  test('with any byte changed, it is decoded or refused with a reason', () => {
    for (let at = 0; at < whole.length; at += 61) {
      const bytes = Uint8Array.from(whole)
      bytes[at] = bytes[at]! ^ 0xff
      assert.match(codeOf(bytes), /^(accepted|model_\w+)$/)
    }
  })
})

describe('crafted files', () => {
  const folder = sharedFile('models', 'edge-cases', 'models')
  test('each is decoded or refused with a code of its kind', { skip: folder ? false : 'no crafted files here' }, () => {
    const refused: Record<string, string> = {}
    for (const name of readdirSync(folder!).filter((entry) => entry.endsWith('.onnx'))) {
      try {
        check(decodeModel(join(folder!, name)).model)
      } catch (error) {
        assert.ok(error instanceof FewbitError, `${name}: ${(error as Error).stack}`)
        refused[name] = error.code
      }
    }
    const expected: Record<string, RegExp> = {
      'external-': /^model_external_data$/,
      'dims-': /^model_tensor_invalid$/,
      'dtype-': /^model_tensor_invalid$/,
      'raw-': /^model_tensor_invalid$/,
      'dangling-': /^model_invalid$/,
      'opset-': /^model_opset_unsupported$/,
      'function-bomb': /^model_too_complex$/,
      'nested-if-200': /^model_too_complex$/,
      'recursive-function': /^model_invalid$/,
      'custom-op': /^model_operator_unsupported$/,
      'unknown-op': /^model_operator_unsupported$/,
      text: /^model_not_onnx$/,
      'random-bytes': /^model_not_onnx$/,
      empty: /^model_(not_onnx|empty)$/,
    }
    for (const [name, code] of Object.entries(refused)) {
      const rule = Object.entries(expected).find(([prefix]) => name.startsWith(prefix))
      if (rule) assert.match(code, rule[1], name)
    }
    assert.equal(refused['duplicate-initializer.onnx'], 'model_invalid')
    for (const name of [
      'cyclic',
      'truncated',
      'function-bomb',
      'external-traversal',
      'dims-lie-2e60',
      'trailing-garbage',
    ]) {
      assert.ok(refused[`${name}.onnx`], name)
    }
    for (const name of [
      'if-captured',
      'scan',
      'local-function',
      'odd-names',
      'sparse-initializer',
      'weights-in-float-data',
    ]) {
      assert.equal(refused[`${name}.onnx`], undefined, name)
    }
  })
})
