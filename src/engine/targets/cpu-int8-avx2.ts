/** x86-64 processors without dot-product instructions (AVX2, AVX-512 before VNNI), 8-bit integers. */
import { cpuInt8 } from './cpu-int8.ts'
import type { ShippedIntegerTarget } from './target.ts'

export const cpuInt8Avx2: ShippedIntegerTarget = {
  ...cpuInt8,
  id: 'cpu-int8-avx2',
  title: 'CPU without VNNI, 8-bit integers',
  description:
    'As cpu-int8, for processors that add two products in 16 bits that saturate: weights of a channel are narrowed by as much as it needs, and no more.',
  accumulator: 'int16-pairs',
  // their kernels add up pairs too, and no weight is narrowed for them
  run_time_operators: [],
  sources: [...cpuInt8.sources, 'Intel: VPMADDUBSW, saturation of 8-bit products'],
}
