/** Bytes ⇄ IR: nobody outside this folder sees protobuf. */
export { decodeModel } from './decode.ts'
export { dataFileOf, encodeModel, saveModel } from './save.ts'
