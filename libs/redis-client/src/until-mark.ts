/**
 * All bytes up to the mark, which is known for being the last that comes (replication.c, readSyncBulkPayload). What may be a
 * part of it is held back.
 *
 * @param next gives the next bytes, at least one
 */
export async function* untilMark(next: () => Promise<Buffer>, mark: Buffer): AsyncIterable<Buffer> {
  let held: Buffer = Buffer.alloc(0)
  for (;;) {
    const chunk = await next()
    const isShort = chunk.length < mark.length
    if (!isShort && held.length > 0) yield held
    const all = isShort ? Buffer.concat([held, chunk]) : chunk
    const end = Math.max(0, all.length - mark.length)
    if (end > 0) yield all.subarray(0, end)
    held = all.subarray(end)
    if (held.equals(mark)) return
  }
}
