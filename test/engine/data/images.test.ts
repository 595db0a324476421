/** Pictures become the input that other tools make of them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { z } from 'zod'
import { ImageSpec, imageSteps } from '../../../src/contract/images.ts'
import { openDecoder } from '../../../src/engine/data/images/decode.ts'
import { inspectImages, openImages } from '../../../src/engine/data/images/index.ts'
import { readLabels } from '../../../src/engine/data/images/labels.ts'
import { quantize } from '../../../src/engine/index.ts'
import { CLASSES, convNet } from '../../kit/model.ts'
import { type ZipMember, zip } from '../../kit/npz.ts'
import { picture, pictureArchive } from '../../kit/pictures.ts'

let directory: string
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'images-test-'))
})
after(() => rmSync(directory, { recursive: true }))

const stored = (bytes: Uint8Array): string => {
  const path = join(directory, 'pictures.zip')
  writeFileSync(path, bytes)
  return path
}
const parsed = (spec: Omit<z.input<typeof ImageSpec>, 'input'>) => ImageSpec.parse({ input: 'x', ...spec })

describe('a picture', () => {
  const waves = () =>
    picture(300, 200, (x, y, c) => Math.floor(127.5 + 100 * Math.sin((x * (c + 1)) / 17) * Math.cos(y / 13)))

  /** What Pillow 12.3 and torchvision's rules for sizes give: at (0,0), (5,50), (28,28), (55,3), (55,55) of 56 by 56. */
  const OF_PILLOW = {
    bilinear: [99, 173, 79, 105, 86, 73, 131, 120, 135, 139, 117, 123, 115, 120, 135],
    bicubic: [99, 174, 78, 105, 85, 71, 131, 120, 135, 139, 117, 123, 115, 120, 135],
    lanczos: [99, 174, 78, 105, 85, 72, 131, 120, 135, 139, 117, 123, 115, 120, 135],
  }
  const PLACES = [0, 5 * 56 + 50, 28 * 56 + 28, 55 * 56 + 3, 55 * 56 + 55]
  for (const [filter, expected] of Object.entries(OF_PILLOW))
    test(`is resized (${filter}) and cropped as torchvision does`, async () => {
      const spec = parsed({ resize: 64, crop: 56, layout: 'nhwc', filter: filter as keyof typeof OF_PILLOW })
      const pixels = await (await openDecoder(imageSteps(spec)))('waves', await waves())
      const found = PLACES.flatMap((place) => [...pixels.subarray(3 * place, 3 * place + 3)])
      const apart = found.map((value, i) => Math.abs(value - expected[i]!))
      assert.ok(Math.max(...apart) <= 1, `${found}`)
    })

  test('has channels in the order, layout and greys that are asked for', async () => {
    const bytes = await picture(4, 2, (x, y, c) => 10 * (c + 1) + x + 4 * y)
    const made = async (spec: Parameters<typeof parsed>[0]) => [
      ...(await (await openDecoder(imageSteps(parsed({ resize: [2, 4], ...spec }))))('small', bytes)),
    ]
    const plane = (c: number) => Array.from({ length: 8 }, (_, i) => 10 * (c + 1) + i)
    assert.deepEqual(await made({}), [0, 1, 2].flatMap(plane))
    assert.deepEqual(await made({ channels: 'bgr' }), [2, 1, 0].flatMap(plane))
    assert.deepEqual((await made({ channels: 'bgr', layout: 'nhwc' })).slice(0, 6), [30, 20, 10, 31, 21, 11])
    const luma = plane(0).map((r) => Math.round(0.299 * r + 0.587 * (r + 10) + 0.114 * (r + 20)))
    assert.deepEqual(await made({ channels: 'gray' }), luma)
  })
})

describe('the steps', () => {
  const affine = (spec: Parameters<typeof parsed>[0]) => {
    const [first] = imageSteps(parsed(spec)).affine
    return [0, 255].map((byte) => byte * first!.scale + first!.offset)
  }
  const near = (found: number[], expected: number[]) =>
    assert.ok(
      found.every((x, i) => Math.abs(x - expected[i]!) < 1e-9),
      `${found}`,
    )

  test('of presets are those of their libraries', () => {
    near(affine({ preset: 'torchvision' }), [-0.485 / 0.229, (1 - 0.485) / 0.229])
    near(affine({ preset: 'keras-tf' }), [-1, 1])
    near(affine({ preset: 'keras-caffe' }), [-103.939, 255 - 103.939])
    assert.deepEqual(imageSteps(parsed({ preset: 'torchvision', crop: 192 })).size, [192, 192])
  })

  test('of transformers are read from its file', () => {
    const vit = {
      do_normalize: true,
      do_rescale: true,
      do_resize: true,
      image_mean: [0.5, 0.5, 0.5],
      image_processor_type: 'ViTFeatureExtractor',
      image_std: [0.5, 0.5, 0.5],
      resample: 3,
      rescale_factor: 0.00392156862745098,
      size: { height: 224, width: 224 },
    }
    near(affine({ preprocessor_config: vit }), [-1, 1])
    const { filter, size, resize } = imageSteps(parsed({ preprocessor_config: vit }))
    assert.deepEqual([filter, size, resize], ['bicubic', [224, 224], [224, 224]])
  })

  const WRONG: [string, Parameters<typeof parsed>[0], RegExp][] = [
    ['without a size', { resize: 64 }, /one size by crop/],
    ['that cut out more than there is', { resize: 64, crop: 65 }, /65 does not fit/],
    ['with two numbers for three channels', { crop: 8, mean: [0.5, 0.5] }, /2 numbers for 3 channels/],
    ['of two sources', { preset: 'torchvision', preprocessor_config: {} }, /not together/],
    ['that do not exist', { preset: 'timm' as 'torchvision' }, /preset/],
  ]
  for (const [what, spec, words] of WRONG) test(`${what} are refused`, () => assert.throws(() => parsed(spec), words))
})

describe('an archive', () => {
  const spec = parsed({ resize: [16, 16] })

  test('has classes by its folders, pictures in the order of their names, and no junk', async () => {
    const junk = [
      { name: '__MACOSX/class-0/._0.png', bytes: Buffer.from('x') },
      { name: 'class-0/.DS_Store', bytes: Buffer.from('x') },
      { name: 'README.txt', bytes: Buffer.from('x') },
    ]
    const path = stored(await pictureArchive(3, 2, junk))
    const summary = await inspectImages(path, spec)
    assert.deepEqual(summary, {
      samples: 6,
      arrays: [{ name: 'x', dtype: 'float32', shape: [6, 3, 16, 16] }],
      labels: { dtype: 'int64', shape: [6] },
    })
    const dataset = await openImages(path, { arrays: {}, images: spec }, { scratch: directory })
    assert.deepEqual(
      Array.from({ length: 6 }, (_, i) => dataset.labels!.value(i)),
      [0, 0, 1, 1, 2, 2],
    )
    const means = [0, 2, 4].map((start) => {
      const floats = new Float32Array(dataset.arrays.get('x')!.slice(start, 2).buffer)
      return floats.reduce((sum, x) => sum + x, 0) / floats.length
    })
    assert.ok(means[0]! < means[1]! && means[1]! < means[2]! && means[2]! < 1, `${means}`)
    dataset.close()
  })

  test('has classes by its table, which comes first', () => {
    const names = ['a/1.png', 'b/2, two.png']
    assert.deepEqual(readLabels('file,label\na/1.png,4\n"b/2, two.png",2\n', names), [4, 2])
    assert.deepEqual(readLabels('1.png,0\r\n"2, two.png",1\r\n', names), [0, 1])
    assert.throws(() => readLabels('a/1.png,0\n', names), /no line for "b\/2, two\.png"/)
    assert.throws(() => readLabels('a/1.png,0\nb/2, two.png\n', names), /line 2/)
    assert.throws(() => readLabels('a/1.png,0\nx,cat\n', names), /line 2 .*"cat"/)
  })

  const png = Buffer.from('no picture')
  const REFUSED: [string, ZipMember[], RegExp][] = [
    ['without pictures', [{ name: 'a.txt', bytes: png }], /no pictures/],
    ['with a picture that is none', [{ name: 'a/b.png', bytes: png }], /"a\/b\.png" cannot be used/],
    ['that climbs', [{ name: '../a.png', bytes: png }], /cannot be read/],
  ]
  for (const [what, members, words] of REFUSED)
    test(`${what} is refused by name`, async () => {
      const path = stored(zip(members))
      await assert.rejects(openImages(path, { arrays: {}, images: spec }, { scratch: directory }), words)
    })

  test('of pictures with more pixels than memory is refused before it is decoded', async () => {
    const header = Buffer.from(await picture(4, 4, () => 0))
    header.writeUInt32BE(60_000, 16)
    header.writeUInt32BE(60_000, 20)
    const path = stored(zip([{ name: 'bomb.png', bytes: header }]))
    await assert.rejects(openImages(path, { arrays: {}, images: spec }, { scratch: directory }), /bomb\.png/)
  })
})

test('a model is calibrated and judged with pictures', async () => {
  const archive = await pictureArchive(CLASSES, 10)
  const data = { data: archive, images: { resize: [16, 16] as [number, number] } }
  const { report } = await quantize(convNet(), { target: 'cpu-int8', calibration: data, evaluation: data, threads: 1 })
  assert.equal(report.metrics.accuracy?.metric, 'top1')
  assert.equal(report.metrics.accuracy.samples, 10 * CLASSES)
  assert.ok(report.metrics.fidelity!.sqnr_db > 15, JSON.stringify(report.metrics.fidelity))
})
