import type { Bounds } from './bounds.ts'
import type { Pace } from './pace.ts'

/** An error of the stream that was handed in, on its way out through a storage. */
export class SourceFailure extends Error {
  override readonly name = 'SourceFailure'

  constructor(cause: unknown) {
    super('the source failed', { cause })
  }
}

/** The chunks of a source, no faster than the pace, until the call is over. Lets go of the source in any case. */
export async function* boundedSource(
  chunks: AsyncIterable<Uint8Array>,
  bounds: Bounds,
  pace: Pace,
): AsyncGenerator<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await bounds.race(
        source.next().catch((error: unknown) => {
          throw new SourceFailure(error)
        }),
      )
      if (next.done === true) return
      await pace(next.value.length, bounds)
      yield next.value
    }
  } finally {
    // Not waited for: a source that hangs would hold up whoever has called it off.
    void source.return?.().catch(() => undefined)
  }
}
