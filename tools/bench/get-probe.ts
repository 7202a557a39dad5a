import { nodeAt } from '@slotkeeper/testing'

/** A client that reads a server at a steady rate. */
export type GetProbe = {
  /** Ends it; how long each GET took, in milliseconds. Throws if one failed. */
  finish(): Promise<readonly number[]>
}

/** GETs of each server per second, whether the last is answered or not. */
export const GETS_PER_SECOND = 100
const DEADLINE_MS = 20_000

/** Starts to read keys of a server, one GET in each round trip; also of a replica. */
export async function startGetProbe(
  server: { readonly host: string; readonly port: number },
  key: () => string,
  signal: AbortSignal,
): Promise<GetProbe> {
  const node = nodeAt(server)
  await node.call(['READONLY'], DEADLINE_MS)
  const took: number[] = []
  const underWay = new Set<Promise<void>>()
  let failure: unknown
  const get = async (): Promise<void> => {
    const start = performance.now()
    await node.call(['GET', key()], DEADLINE_MS)
    took.push(performance.now() - start)
  }
  const timer = setInterval(() => {
    const one = get()
      .catch((error: unknown) => void (failure ??= error))
      .finally(() => underWay.delete(one))
    underWay.add(one)
  }, 1000 / GETS_PER_SECOND)
  const end = (): void => {
    clearInterval(timer)
    signal.removeEventListener('abort', end)
  }
  signal.addEventListener('abort', end)
  return {
    finish: async () => {
      end()
      await Promise.all(underWay)
      node.close()
      if (failure !== undefined) throw failure
      return took
    },
  }
}
