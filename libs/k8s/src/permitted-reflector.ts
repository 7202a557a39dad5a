import { isKubeError } from './errors.ts'
import { objectsOf } from './objects.ts'
import { type Reflector, type ReflectorOptions, startReflector } from './reflector.ts'
import { pause } from './time-limit.ts'

const CALL_MS = 10_000
const ASK_AGAIN_MS = 10 * 60_000

/**
 * Follows objects for which the permission is optional. While it is refused there is no cache: that is told once as a
 * problem, and asked again every ten minutes.
 *
 * @param askAgainMs between two questions, in milliseconds
 * @returns gives the cache, undefined before its first list and while it may not be read
 */
export function startPermittedReflector<T>(
  options: ReflectorOptions<T>,
  signal: AbortSignal,
  askAgainMs = ASK_AGAIN_MS,
): () => Reflector<T> | undefined {
  let cache: Reflector<T> | undefined
  const start = async (): Promise<void> => {
    let told = false
    for (;;) {
      const refusal = await refusalOf(options, signal)
      if (signal.aborted) return
      if (refusal === null) break
      if (!told) options.onProblem(refusal)
      told = true
      await pause(askAgainMs, signal)
    }
    cache = startReflector(options, signal)
  }
  void start()
  return () => (cache?.hasSynced() === true ? cache : undefined)
}

/** Asks for nothing that exists. Whatever but a refusal is wrong will be met, and told, by the watch. */
async function refusalOf<T>({ kube, resource }: ReflectorOptions<T>, signal: AbortSignal): Promise<unknown> {
  try {
    const io = { signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MS)]) }
    await objectsOf(kube).list(resource, { fieldSelector: 'metadata.name=none' }, io)
    return null
  } catch (error) {
    return isKubeError(error) && error.reason === 'Forbidden' ? error : null
  }
}
