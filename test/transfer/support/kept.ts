/** What an attempt before has left, without running it. */
import type { ByteRanges, Representation } from '../../../src/contract/bytes.ts'
import { PartFile } from '../../../src/transfer/files/part-file.ts'
import type { Bench } from './bench.ts'

/** Keeps these bytes of it, as safe. */
export async function keep(
  bench: Bench,
  content: Buffer,
  ranges: ByteRanges,
  representation: Representation,
): Promise<void> {
  const folder = await bench.world.files.folder(bench.folder)
  const part = await PartFile.create(folder, '.file.bin.89ABCDEF.longhaul-part')
  for (const [from, to] of ranges) await part.write(content.subarray(from, to), from)
  bench.part = { ...part.place, identity: part.identity, ranges, representation }
  await part.close()
  await folder.close()
}
