import type { Bounds } from './bounds.ts'
import type { Pace } from './pace.ts'

/** An error of what was handed in, on its way out through a storage. */
export class SourceFailure extends Error {
  override readonly name = 'SourceFailure'

  constructor(cause: unknown) {
    super('the source failed', { cause })
  }
}

/** The chunks of a source, no faster than the pace, until the call is over. */
export const boundedSource = (
  chunks: AsyncIterable<Uint8Array>,
  bounds: Bounds,
  pace: Pace,
): AsyncGenerator<Uint8Array> => bounded(chunks, bounds, (chunk) => pace(chunk.length, bounds))

/**
 * The items of something that was handed in, until the call is over. Lets go of it in any case.
 *
 * @param items which may hang, or fail: with a SourceFailure then
 * @param before waited for before each item
 */
export async function* bounded<T>(
  items: AsyncIterable<T> | Iterable<T>,
  bounds: Bounds,
  before: (item: T) => Promise<void> = async () => undefined,
): AsyncGenerator<T> {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  const ask = async (): Promise<IteratorResult<T>> => {
    try {
      return await source.next()
    } catch (error) {
      throw new SourceFailure(error)
    }
  }
  try {
    for (;;) {
      const next = await bounds.race(ask())
      if (next.done === true) return
      await before(next.value)
      yield next.value
    }
  } finally {
    // Not waited for: a source that hangs would hold up whoever has called it off.
    void (async () => source.return?.())().catch(() => undefined)
  }
}
