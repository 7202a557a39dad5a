import { EventStoreError } from './errors.ts'

/** What bounds an I/O from outside: its deadline comes on top. */
export type Io = { readonly signal?: AbortSignal }

/** The result of an I/O, or an error when it takes longer than `ms` or is called off. The I/O itself may still go on. */
export const within = async <T>(ms: number, io: Io, work: Promise<T>): Promise<T> => {
  // The loser of the race must not become an unhandled rejection.
  work.catch(() => undefined)
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(io.signal?.reason)
  const timer = setTimeout(() => reject(new EventStoreError('Unavailable', `no answer in ${ms} ms`)), ms)
  io.signal?.addEventListener('abort', abort, { once: true })
  if (io.signal?.aborted) abort()
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
    io.signal?.removeEventListener('abort', abort)
  }
}
