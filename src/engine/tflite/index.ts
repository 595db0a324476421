/** ONNX graphs become `.tflite` files: nobody outside this folder sees the format. */

export { measureNetwork } from './encode.ts'
export { openLitert } from './litert.ts'
export { type ConvertOptions, lowerGraph, refuseUnconvertible } from './lower.ts'
export { LOWERINGS } from './lowerings/index.ts'
export type { Network } from './network.ts'
export { readFile } from './read.ts'
export { openSession } from './session.ts'
export { signatureOf } from './signature.ts'
