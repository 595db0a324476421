/** Inputs in the types that a session takes. */
import { toFloat16 } from '../ir/float16.ts'
import { entryOf } from '../ir/list.ts'
import type { RunTensor, Session } from './runtime.ts'

/** The artifact may take float16 where the float model takes float32. */
export function feedsFor(session: Session, feeds: Readonly<Record<string, RunTensor>>): Record<string, RunTensor> {
  return Object.fromEntries(
    session.inputs.map(({ name, dtype }) => {
      const tensor = entryOf(feeds, name)
      const narrow = dtype === 'float16' && tensor.data instanceof Float32Array
      return [
        name,
        narrow ? { dtype: 'float16', dims: tensor.dims, data: toFloat16(tensor.data as Float32Array) } : tensor,
      ]
    }),
  )
}
