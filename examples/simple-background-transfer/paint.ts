/**
 * Paints the picture that the demo downloads: a sunrise over ridges, value noise and nothing else. A real image of real size,
 * without a binary in the repository.
 */
import { crc32, deflateSync } from 'node:zlib'

export interface Picture {
  readonly width: number
  readonly height: number
  /** RGB, row by row. */
  readonly pixels: Uint8Array
}

/** Smooth noise in 0–1, the same for the same place. */
function noise(x: number, y: number): number {
  const corner = (i: number, j: number): number => {
    let n = Math.imul(i, 374761393) + Math.imul(j, 668265263)
    n = Math.imul(n ^ (n >>> 13), 1274126177)
    return ((n ^ (n >>> 16)) >>> 0) / 2 ** 32
  }
  const [i, j] = [Math.floor(x), Math.floor(y)]
  const soft = (t: number): number => t * t * (3 - 2 * t)
  const [u, v] = [soft(x - i), soft(y - j)]
  const top = corner(i, j) + (corner(i + 1, j) - corner(i, j)) * u
  const bottom = corner(i, j + 1) + (corner(i + 1, j + 1) - corner(i, j + 1)) * u
  return top + (bottom - top) * v
}

function mountains(x: number, octaves: number): number {
  let height = 0
  for (let k = 0; k < octaves; k++) height += noise(x * 2 ** k, k * 17) / 2 ** k
  return height / 2
}

type Colour = readonly [number, number, number]
const mix = (a: Colour, b: Colour, t: number): Colour => [
  a[0] + (b[0] - a[0]) * t,
  a[1] + (b[1] - a[1]) * t,
  a[2] + (b[2] - a[2]) * t,
]

export function paintSunrise(width: number, height: number): Picture {
  const pixels = new Uint8Array(width * height * 3)
  const night: Colour = [38, 44, 92]
  const rose: Colour = [232, 120, 112]
  const gold: Colour = [255, 214, 140]
  const sun = { x: 0.62, y: 0.52 }
  const ridges = Array.from({ length: 6 }, (_, k) =>
    Float64Array.from(
      { length: width },
      (_, x) => 0.5 + k * 0.085 - 0.16 * mountains((x / width) * (2.2 + k * 1.3) + k * 31, 7),
    ),
  )
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = [x / width, y / height]
      const distance = Math.hypot((u - sun.x) * (width / height), v - sun.y)
      let colour = v < 0.3 ? mix(night, rose, v / 0.3) : mix(rose, gold, Math.min(1, (v - 0.3) / 0.26))
      const cloud = noise(u * 5, v * 34) * noise(u * 11 + 7, v * 60)
      colour = mix(colour, [255, 190, 170], Math.max(0, cloud - 0.3) * 0.9 * (1 - v))
      colour = mix(colour, [255, 246, 214], Math.min(1, 0.018 / (distance * distance + 0.012)))
      const ridge = ridges.findLastIndex((line) => v > line[x]!)
      if (ridge >= 0) {
        const depth = (ridge + 1) / ridges.length
        const haze = mix([214, 128, 128], [24, 22, 48], depth ** 0.75)
        const fog = Math.max(0, 0.5 - (v - ridges[ridge]![x]!) * 9) * (1 - depth)
        colour = mix(haze, gold, fog)
      }
      // Grain keeps the sky from banding, and the file from compressing to nothing.
      const grain = (noise(x * 0.9 + 0.5, y * 0.9 + 0.5) - 0.5) * 7
      const at = (y * width + x) * 3
      for (let c = 0; c < 3; c++) pixels[at + c] = Math.max(0, Math.min(255, colour[c]! + grain))
    }
  }
  return { width, height, pixels }
}

/** PNG (ISO/IEC 15948): signature, IHDR, IDAT with the Sub filter, IEND. */
export function encodePng({ width, height, pixels }: Picture): Buffer {
  const stride = width * 3
  const rows = Buffer.alloc((stride + 1) * height)
  for (let y = 0; y < height; y++) {
    rows[y * (stride + 1)] = 1
    for (let i = 0; i < stride; i++)
      rows[y * (stride + 1) + 1 + i] = pixels[y * stride + i]! - (i < 3 ? 0 : pixels[y * stride + i - 3]!)
  }
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const frame = Buffer.alloc(8)
    frame.writeUInt32BE(data.length)
    frame.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 6 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** The picture in half blocks of 24-bit colour, for a terminal that has them. */
export function halfBlocks({ width, height, pixels }: Picture, columns: number): string {
  const lines: string[] = []
  const cell = width / columns
  const rows = Math.floor(height / cell / 2)
  const at = (x: number, y: number): string => {
    const place = (Math.min(height - 1, Math.floor(y * cell)) * width + Math.floor(x * cell)) * 3
    return `${pixels[place]!};${pixels[place + 1]!};${pixels[place + 2]!}`
  }
  for (let row = 0; row < rows; row++) {
    let line = '  '
    for (let x = 0; x < columns; x++) line += `\u001B[38;2;${at(x, row * 2)}m\u001B[48;2;${at(x, row * 2 + 1)}m▀`
    lines.push(`${line}\u001B[0m`)
  }
  return lines.join('\n')
}
