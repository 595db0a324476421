/** Bytes ⇄ IR: nobody outside this folder sees protobuf. */
export { type Decoded, decodeModel } from './decode.ts'
export { encodeModel } from './encode.ts'
export type { Locate } from './external.ts'
