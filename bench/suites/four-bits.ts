/** What the search for block scales is worth beside rounding to nearest, on the matrices of real models. `node dist/bench/suites/four-bits.js` writes bench/results/FOUR-BITS.md. */
import type { BlockMatrix } from '../../src/engine/blockwise/blockwise.ts'
import type { Model } from '../../src/engine/ir/graph.ts'
import { view } from '../../src/engine/ir/tensor.ts'
import { decodeModel } from '../../src/engine/onnx/index.ts'
import { errorOfBlocks } from '../lib/block-error.ts'
import { writeResult } from '../lib/results.ts'
import { subjectOf } from '../lib/subjects.ts'

const MODELS = ['bert-tiny-sst2', 'magika', 'fashion-cnn', 'ocr-ppocrv4']
const SMALLEST = 4096

/** Constant matrices that products read. */
function matricesOf({ graph }: Model): BlockMatrix[] {
  const products = [...graph.nodes].filter(({ opType }) => opType === 'MatMul' || opType === 'Gemm')
  return products.flatMap((node) => {
    const weight = node.inputs[1]
    const tensor = weight?.tensor ?? weight?.producer?.tensor('value')
    if (tensor?.dtype !== 'float32' || tensor.shape.length !== 2) return []
    const [rows, columns] = tensor.shape as [number, number]
    const byColumn = node.int('transB', 0) === 1
    const [K, N] = byColumn ? [columns, rows] : [rows, columns]
    return K * N < SMALLEST ? [] : [{ values: view(tensor, 'float32'), K, N, byColumn }]
  })
}

/** Decibels of the weights of a model over the error that their rounding makes. */
function sqnrOf(matrices: readonly BlockMatrix[], blockSize: number, symmetric: boolean, search: boolean): number {
  const all = matrices.map((matrix) => errorOfBlocks(matrix, { bits: 4, blockSize, symmetric, search }))
  const sum = (pick: (one: (typeof all)[number]) => number) => all.reduce((total, one) => total + pick(one), 0)
  return 10 * Math.log10(sum(({ signal }) => signal) / sum(({ noise }) => noise))
}

const rows: string[] = []
for (const { name, model } of MODELS.map(subjectOf)) {
  const matrices = matricesOf(decodeModel(model).model)
  for (const blockSize of [32, 128]) {
    for (const symmetric of [true, false]) {
      const [nearest, searched] = [false, true].map((search) => sqnrOf(matrices, blockSize, symmetric, search))
      const gain = searched! - nearest!
      const form = symmetric ? 'symmetric' : 'zero points'
      rows.push(
        `| ${name} | ${matrices.length} | ${blockSize} | ${form} | ${nearest!.toFixed(2)} dB | ${searched!.toFixed(2)} dB | +${gain.toFixed(2)} dB | ${gain >= 0.3 ? 'kept' : '**missed**'} |`,
      )
      console.log(rows.at(-1))
    }
  }
}

const page = `# 4-bit weights

\`npm run -s build && node dist/bench/suites/four-bits.js\`. Signal over the error of rounding, over all matrices of a model. To nearest is what ONNX Runtime's MatMulNBitsQuantizer
writes, byte for byte (a test compares them); the search looks for the scale, and zero point, of each block with the smallest squared error. The promise is 0.3 dB.

| model | matrices | block | form | to nearest | searched | gain | at least 0.3 dB |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}
`
writeResult('FOUR-BITS.md', page)
