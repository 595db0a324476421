/** A model whose weight lies in another file. */

/** A model with one weight of 64 bytes in another file, encoded by hand: field numbers as in onnx.proto. */
export function externalModel(location: string): Uint8Array {
  const field = (number: number, bytes: Uint8Array | string) => {
    const body = Buffer.from(bytes)
    return Buffer.concat([Buffer.from([number * 8 + 2]), varint(body.length), body])
  }
  const int = (number: number, value: number) => Buffer.concat([Buffer.from([number * 8]), varint(value)])
  const entry = (key: string, value: string) => field(13, Buffer.concat([field(1, key), field(2, value)]))
  const tensor = Buffer.concat([int(1, 16), int(2, 1), field(8, 'w'), entry('location', location), int(14, 1)])
  const type = (name: string) =>
    Buffer.concat([field(1, name), field(2, field(1, Buffer.concat([int(1, 1), field(2, field(1, int(1, 16)))])))])
  const node = Buffer.concat([field(1, 'x'), field(1, 'w'), field(2, 'y'), field(4, 'Add')])
  const graph = Buffer.concat([
    field(1, node),
    field(2, 'g'),
    field(5, tensor),
    field(11, type('x')),
    field(12, type('y')),
  ])
  return Buffer.concat([int(1, 8), field(7, graph), field(8, int(2, 17))])
}

function varint(value: number): Buffer {
  return value < 128 ? Buffer.from([value]) : Buffer.concat([Buffer.from([(value & 127) | 128]), varint(value >>> 7)])
}
