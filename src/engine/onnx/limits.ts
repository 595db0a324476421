/** What a model may ask of us before we look at what it means: the limits of the reader. */
import { FewbitError } from '../../shared/errors.ts'

export const LIMITS = {
  /** levels of nested messages; protobuf's own limit, about 32 nested If */
  depth: 100,
  /** bytes of everything but weights, as they lie in memory */
  structuralBytes: 256 * 1024 ** 2,
  /** bytes of one name */
  nameBytes: 64 * 1024,
  /** byte fields shorter than this are read into memory */
  inlineBytes: 1024,
  rank: 64,
  /** nodes after the local functions are expanded */
  expandedNodes: 200_000,
  /** local functions that call each other */
  functionDepth: 100,
  /** bytes of an encoded model: the limit of protobuf */
  encodedBytes: 2 ** 31 - 1,
  messages: 1_000_000,
  messagesOf: {
    NodeProto: 200_000,
    TensorProto: 200_000,
    FunctionProto: 10_000,
    OperatorSetIdProto: 20_000,
  } as Readonly<Record<string, number>>,
} as const

/** Refuses a model that exceeds a limit; `what` completes "the model has …". */
export function tooComplex(what: string): FewbitError {
  return new FewbitError('model_too_complex', `the model has ${what}`)
}

/** Counts what the reader takes into memory and refuses what exceeds the limits. */
export class Budget {
  #bytes = 0
  readonly #messages = new Map<string, number>()

  takeBytes(count: number): void {
    this.#bytes += count
    if (this.#bytes > LIMITS.structuralBytes)
      throw tooComplex(`more than ${LIMITS.structuralBytes} bytes besides its raw weights`)
  }

  takeMessage(name: string): void {
    const count = (this.#messages.get(name) ?? 0) + 1
    const limit = LIMITS.messagesOf[name] ?? LIMITS.messages
    if (count > limit) throw tooComplex(`more than ${limit} ${name} messages`)
    this.#messages.set(name, count)
    this.takeBytes(64)
  }
}
