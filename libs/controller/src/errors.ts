/** We are wrong, not the world: nothing further is done for the object until a pass decides otherwise. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
  readonly reason = 'InvariantBroken'
}

/** The closed reason an error carries, whoever threw it, or `PassFailed`. */
export function reasonOf(error: unknown): string {
  const reason = typeof error === 'object' && error !== null && 'reason' in error ? error.reason : undefined
  return typeof reason === 'string' ? reason : 'PassFailed'
}

/** Words for people. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Whether a write was refused because the object is no longer what was read. */
export function isConflict(error: unknown): boolean {
  return reasonOf(error) === 'Conflict'
}
