/** How much of something many one answer of the daemon has room for. The wire counts the bytes of a frame, not its characters. */

/** Half a frame of the wire: whatever else an answer says has room beside it. */
export const answerWeight: number = 512 * 1024

/** Bytes of its JSON. */
export function weightOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}

/** The first, and as many of the others as one answer has room for beside it. */
export function fitting<T>(values: readonly T[]): readonly T[] {
  let weight = 0
  const beyond = values.findIndex((value, index) => {
    weight += weightOf(value)
    return index > 0 && weight > answerWeight
  })
  return beyond < 0 ? values : values.slice(0, beyond)
}
