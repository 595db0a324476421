/** Folders in the style of Hugging Face, built with real architectures and small sizes: what transformers.js loads from disk. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { float, int, ints } from '../../src/engine/ir/build.ts'
import type { Value } from '../../src/engine/ir/graph.ts'
import { float32, int64, scalar, tensorOf } from '../../src/engine/ir/tensor.ts'
import { type Builder, buildModel } from './model.ts'
import { TOKENIZER, VOCABULARY } from './tokenizer.ts'

const HIDDEN = 64
const LABELS = ['negative', 'positive']
const PIXELS = 16

const write = (folder: string, files: Record<string, unknown>, model: Uint8Array): void => {
  mkdirSync(join(folder, 'onnx'), { recursive: true })
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), JSON.stringify(content))
  writeFileSync(join(folder, 'onnx', 'model.onnx'), model)
}

const BERT = { model_type: 'bert', hidden_size: HIDDEN, vocab_size: VOCABULARY, num_hidden_layers: 2 }
const TEXT = {
  'tokenizer.json': TOKENIZER,
  'tokenizer_config.json': { tokenizer_class: 'BertTokenizer', model_max_length: 64, pad_token: '[PAD]' },
}
const labels = { id2label: Object.fromEntries(LABELS.map((label, id) => [id, label])) }

/** BertForSequenceClassification: two layers, 64 wide. */
export const writeClassifier = (folder: string): void =>
  write(
    folder,
    { ...TEXT, 'config.json': { ...BERT, ...labels, architectures: ['BertForSequenceClassification'] } },
    bert('logits'),
  )

/** BertModel: the same without a head. */
export const writeEmbedder = (folder: string): void =>
  write(folder, { ...TEXT, 'config.json': { ...BERT, architectures: ['BertModel'] } }, bert('last_hidden_state'))

/** ResNetForImageClassification: two convolutions over 16 × 16 pixels. */
export const writeImageClassifier = (folder: string): void =>
  write(
    folder,
    {
      'config.json': { model_type: 'resnet', ...labels, architectures: ['ResNetForImageClassification'] },
      'preprocessor_config.json': {
        image_processor_type: 'ViTImageProcessor',
        do_resize: true,
        do_rescale: true,
        do_normalize: true,
        rescale_factor: 1 / 255,
        image_mean: [0.5, 0.5, 0.5],
        image_std: [0.5, 0.5, 0.5],
        size: { height: PIXELS, width: PIXELS },
      },
    },
    convolutions(),
  )

function bert(output: 'logits' | 'last_hidden_state'): Uint8Array {
  const m = buildModel(17, 5)
  const ids = m.input('input_ids', ['batch', 'sequence'], 'int64')
  const mask = m.input('attention_mask', ['batch', 'sequence'], 'int64')
  let hidden = norm(
    m,
    'embeddings',
    m.node('Gather', [m.weight('words', [VOCABULARY, HIDDEN], 1), ids], { name: 'words' }),
  )
  const bias = maskBias(m, mask)
  for (const layer of ['layer.0', 'layer.1']) hidden = encoderLayer(m, layer, hidden, bias)
  if (output === 'last_hidden_state') {
    m.output(m.node('Identity', [hidden], { name: 'last' }), output, ['batch', 'sequence', HIDDEN])
    return m.bytes()
  }
  const first = m.node('Gather', [hidden, m.constant('first', tensorOf('int64', [], BigInt64Array.of(0n)))], {
    name: 'first',
    attributes: { axis: int(1) },
  })
  m.output(dense(m, 'classifier', first, HIDDEN, LABELS.length), output, ['batch', LABELS.length])
  return m.bytes()
}

/** 0 where a token counts, a large negative number elsewhere: [batch, 1, sequence]. */
function maskBias(m: Builder, mask: Value): Value {
  const numbers = m.node('Cast', [mask], { name: 'mask', attributes: { to: int(1) } })
  const rows = m.node('Unsqueeze', [numbers, m.constant('one', int64([1], [1]))], { name: 'mask_rows' })
  const absent = m.node('Sub', [m.constant('present', scalar(1)), rows], { name: 'absent' })
  return m.node('Mul', [absent, m.constant('far', scalar(-10_000))], { name: 'bias' })
}

function encoderLayer(m: Builder, name: string, hidden: Value, bias: Value): Value {
  const [q, k, v] = ['q', 'k', 'v'].map((part) => dense(m, `${name}.${part}`, hidden, HIDDEN, HIDDEN)) as [
    Value,
    Value,
    Value,
  ]
  const turned = m.node('Transpose', [k], { name: `${name}.turned`, attributes: { perm: ints([0, 2, 1]) } })
  const products = m.node('MatMul', [q, turned], { name: `${name}.products` })
  const scaled = m.node('Mul', [products, m.constant(`${name}.scale`, scalar(HIDDEN ** -0.5))], {
    name: `${name}.scaled`,
  })
  const scores = m.node('Add', [scaled, bias], { name: `${name}.scores` })
  const weights = m.node('Softmax', [scores], { name: `${name}.softmax`, attributes: { axis: int(-1) } })
  const context = dense(m, `${name}.o`, m.node('MatMul', [weights, v], { name: `${name}.context` }), HIDDEN, HIDDEN)
  const attended = norm(m, `${name}.n1`, m.node('Add', [context, hidden], { name: `${name}.add1` }))
  const up = m.node('Relu', [dense(m, `${name}.up`, attended, HIDDEN, 2 * HIDDEN)], { name: `${name}.relu` })
  const down = dense(m, `${name}.down`, up, 2 * HIDDEN, HIDDEN)
  return norm(m, `${name}.n2`, m.node('Add', [down, attended], { name: `${name}.add2` }))
}

function dense(m: Builder, name: string, x: Value, from: number, to: number): Value {
  const product = m.node('MatMul', [x, m.weight(`${name}.weight`, [from, to], from ** -0.5)], { name })
  return m.node('Add', [product, m.weight(`${name}.bias`, [to], 0.1)], { name: `${name}.add` })
}

const norm = (m: Builder, name: string, x: Value): Value =>
  m.node(
    'LayerNormalization',
    [
      x,
      m.constant(`${name}.scale`, float32([HIDDEN], new Float32Array(HIDDEN).fill(1))),
      m.constant(`${name}.shift`, float32([HIDDEN], new Float32Array(HIDDEN))),
    ],
    { name, attributes: { axis: int(-1), epsilon: float(1e-5) } },
  )

function convolutions(): Uint8Array {
  const m = buildModel(17, 3)
  const x = m.input('pixel_values', ['batch', 3, PIXELS, PIXELS])
  const conv = (name: string, input: Value, from: number, to: number) =>
    m.node('Relu', [
      m.node('Conv', [input, m.weight(`${name}.w`, [to, from, 3, 3], 0.2), m.weight(`${name}.b`, [to], 0.1)], {
        name,
        attributes: { kernel_shape: ints([3, 3]), strides: ints([2, 2]), pads: ints([1, 1, 1, 1]) },
      }),
    ])
  const flat = m.node('Flatten', [conv('c2', conv('c1', x, 3, 16), 16, 32)], { name: 'flatten' })
  const hidden = m.node('Relu', [dense(m, 'hidden', flat, 512, HIDDEN)], { name: 'relu' })
  m.output(dense(m, 'head', hidden, HIDDEN, LABELS.length), 'logits', ['batch', LABELS.length])
  return m.bytes()
}
