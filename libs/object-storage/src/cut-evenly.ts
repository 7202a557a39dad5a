/** A piece of a stream; its bytes hold until as many more pieces were taken as there are buffers. */
export type Piece = { readonly bytes: Buffer; readonly isLast: boolean }

const FIRST_BYTES = 64 * 1024

/**
 * A stream in pieces of the same length; only the last is shorter, and empty where nothing came at all.
 *
 * @param buffers how many pieces are in use at once; their memory is used again and again
 */
export async function* cutEvenly(
  chunks: AsyncIterable<Uint8Array>,
  length: number,
  buffers: number,
): AsyncGenerator<Piece> {
  const pool = Array.from({ length: buffers }, () => Buffer.alloc(Math.min(length, FIRST_BYTES)))
  let turn = 0
  let piece = pool[0] ?? Buffer.alloc(0)
  let filled = 0
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      // A full piece waits until more comes: only then it is known not to be the last.
      if (filled === length) {
        yield { bytes: piece, isLast: false }
        turn = (turn + 1) % buffers
        piece = pool[turn] ?? piece
        filled = 0
      }
      const taken = Math.min(length - filled, chunk.length - at)
      if (filled + taken > piece.length) {
        const larger = Buffer.alloc(Math.min(length, Math.max(piece.length * 2, filled + taken)))
        piece.copy(larger, 0, 0, filled)
        piece = pool[turn] = larger
      }
      piece.set(chunk.subarray(at, at + taken), filled)
      filled += taken
      at += taken
    }
  }
  yield { bytes: piece.subarray(0, filled), isLast: true }
}
