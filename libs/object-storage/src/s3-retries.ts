import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { type FailedTry, isBusyStatus, isPassing, type Patience, Retries } from './retries.ts'
import { s3StatusOf } from './s3-status.ts'

/** How the client of S3 asks its own way of trying again; it gives no type of its own for it. */
type Strategy = Extract<Exclude<S3ClientConfig['retryStrategy'], undefined>, { acquireInitialRetryToken: unknown }>
type Token = Awaited<ReturnType<Strategy['acquireInitialRetryToken']>>
type Failure = Parameters<Strategy['refreshRetryTokenForRetry']>[1]

/**
 * A way of trying again that waits as a busy server asks it to, for as long as others are not tried; the client's own knows
 * a number of tries only.
 */
export function s3Retries(patience: Patience): Strategy {
  const running = new WeakMap<Token, Retries>()
  const tokenOf = (retries: Retries, count: number, pause: number): Token => {
    const token = { getRetryCount: () => count, getRetryDelay: () => pause }
    running.set(token, retries)
    return token
  }
  return {
    acquireInitialRetryToken: async () => tokenOf(new Retries(patience), 0, 0),
    async refreshRetryTokenForRetry(token, failure) {
      const retries = running.get(token)
      const failed = failedTry(failure)
      const pause = failed === null ? null : (retries?.pauseAfter(failed) ?? null)
      // What is thrown here is not told: the client throws the failure itself.
      if (pause === null || retries === undefined) throw new Error('no further try')
      return tokenOf(retries, token.getRetryCount() + 1, pause)
    },
    recordSuccess: () => undefined,
  }
}

/** Null for what stays as it is. */
function failedTry({ error, errorType, retryAfterHint }: Failure): FailedTry | null {
  const status = s3StatusOf(error)
  const isBusy = errorType === 'THROTTLING' || isBusyStatus(status)
  if (!isBusy && errorType !== 'TRANSIENT' && !isPassing(status)) return null
  return { isBusy, retryAfterMs: Math.max(0, (retryAfterHint?.getTime() ?? 0) - Date.now()) }
}
