import { JetStreamApiError, JetStreamApiCodes } from '@nats-io/jetstream'
import { errors } from '@nats-io/transport-node'

/** Why the event store does not do what it was asked. `Unavailable` is worth another try, the others want a person. */
export type EventStoreReason = 'Unavailable' | 'TooOld' | 'Refused'

/** The event store did not do what it was asked. */
export class EventStoreError extends Error {
  override readonly name = 'EventStoreError'
  readonly reason: EventStoreReason

  constructor(reason: EventStoreReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** Whether an append lost against another one: its expectation no longer holds. */
export const isWrongLastSequence = (error: unknown): boolean =>
  error instanceof JetStreamApiError &&
  // The second is what a replicated stream says while the other append is still under way.
  (error.code === JetStreamApiCodes.StreamWrongLastSequence ||
    error.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown)

/** Puts whatever the client threw into one of the three reasons. */
export const asEventStoreError = (error: unknown): EventStoreError => {
  if (error instanceof EventStoreError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new EventStoreError(isRefusal(error) ? 'Refused' : 'Unavailable', message, { cause: error })
}

const isRefusal = (error: unknown): boolean => {
  // A 503 is a stream without a leader or a server that is short of something: it passes.
  if (error instanceof JetStreamApiError) return error.status !== 503
  const cause = error instanceof Error ? error.cause : undefined
  return [error, cause].some(
    (each) =>
      each instanceof errors.PermissionViolationError ||
      each instanceof errors.AuthorizationError ||
      each instanceof errors.InvalidSubjectError ||
      each instanceof errors.InvalidArgumentError,
  )
}

/** Whether the stream or consumer asked for does not exist. */
export const isAbsent = (error: unknown): boolean =>
  error instanceof JetStreamApiError &&
  (error.code === JetStreamApiCodes.StreamNotFound || error.code === JetStreamApiCodes.ConsumerNotFound)
