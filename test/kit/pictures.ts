/** Pictures for data sets. */
import sharp from 'sharp'
import { type ZipMember, zip } from './npz.ts'

/** A PNG whose pixels follow a formula of x, y and channel. */
export function picture(
  width: number,
  height: number,
  value: (x: number, y: number, channel: number) => number,
): Promise<Buffer> {
  const data = new Uint8Array(width * height * 3)
  for (let i = 0; i < data.length; i++) {
    const pixel = Math.floor(i / 3)
    data[i] = value(pixel % width, Math.floor(pixel / width), i % 3)
  }
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 1 })
    .toBuffer()
}

/** Pictures in folders by class: each brighter than those of the class before. */
export async function pictureArchive(
  classes: number,
  each: number,
  others: readonly ZipMember[] = [],
): Promise<Buffer> {
  const members: ZipMember[] = [...others]
  for (let kind = 0; kind < classes; kind++)
    for (let i = 0; i < each; i++) {
      const bytes = await picture(20, 18, (x, y, c) => kind * 60 + ((x * 7 + y * 3 + c * 11 + i * 29) % 50))
      members.push({ name: `class-${kind}/${i}.png`, bytes })
    }
  return zip(members)
}
