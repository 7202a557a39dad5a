/** Commands as they go over the wire, one after the other, and how many they are. */
export type Batch = { readonly bytes: Buffer; readonly commands: number }

const BATCH_BYTES = 64 * 1024
/** What stands around a word, and before the first. */
const AROUND_WORD = 16

/** Lays commands out for the wire, without a string or an object for each: millions are sent. */
export class CommandBatches {
  readonly #take: (batch: Batch) => void
  #bytes = Buffer.allocUnsafe(BATCH_BYTES)
  #size = 0
  #commands = 0

  /** @param take is given each batch once it is full */
  constructor(take: (batch: Batch) => void) {
    this.#take = take
  }

  /** Adds a command. */
  add(...words: readonly Buffer[]): void {
    const most = words.reduce((sum, word) => sum + word.length + AROUND_WORD, AROUND_WORD)
    if (this.#size + most > this.#bytes.length) {
      this.end()
      if (most > this.#bytes.length) this.#bytes = Buffer.allocUnsafe(most)
    }
    this.#text(`*${words.length}\r\n`)
    for (const word of words) {
      this.#text(`$${word.length}\r\n`)
      this.#size += word.copy(this.#bytes, this.#size)
      this.#text('\r\n')
    }
    this.#commands += 1
  }

  /** Hands over what there is. */
  end(): void {
    if (this.#commands === 0) return
    this.#take({ bytes: this.#bytes.subarray(0, this.#size), commands: this.#commands })
    this.#bytes = Buffer.allocUnsafe(BATCH_BYTES)
    this.#size = 0
    this.#commands = 0
  }

  #text(text: string): void {
    this.#size += this.#bytes.write(text, this.#size, 'latin1')
  }
}
