/** Bytes ⇄ IR: nobody outside this folder sees protobuf. */
export { decodeModel } from './decode.ts'
export { encodeModel } from './encode.ts'
