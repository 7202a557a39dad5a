/** Reads a stream of chunks in pieces of a wanted length, and holds no more than one piece and one chunk. */
export class ExactReader {
  readonly #chunks: AsyncIterator<Uint8Array>
  #rest: Uint8Array = Buffer.alloc(0)
  #hasEnded = false

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** The next `length` bytes, in a buffer of their own; fewer only where the stream ends. */
  async take(length: number): Promise<Buffer> {
    const pieces: Uint8Array[] = []
    let missing = length
    while (missing > 0 && (await this.#fill())) {
      const piece = this.#rest.subarray(0, missing)
      this.#rest = this.#rest.subarray(piece.length)
      pieces.push(piece)
      missing -= piece.length
    }
    return Buffer.concat(pieces)
  }

  /** Lets the source go, when it has not ended by itself. */
  async close(): Promise<void> {
    if (this.#hasEnded) return
    this.#hasEnded = true
    await this.#chunks.return?.()
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0 && !this.#hasEnded) {
      const next = await this.#chunks.next()
      if (next.done === true) this.#hasEnded = true
      else this.#rest = next.value
    }
    return this.#rest.length > 0
  }
}
