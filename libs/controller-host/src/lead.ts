import type { Election, Recorder } from '@slotkeeper/k8s'
import type { EventStore } from '@slotkeeper/nats'
import type { TellAccess } from './access.ts'
import type { Host } from './app.ts'
import type { HostConfig } from './host-config.ts'
import type { Kind } from './kind.ts'

/** Everything that leading works with. */
export type Leading = Host<HostConfig> & {
  readonly holder: string
  readonly recorder: Recorder
  readonly store: EventStore
  readonly election: Election
  readonly tellAccess: TellAccess
}

/** Looks after all kinds while this process leads; resolves when the signal has fired and the passes of all have ended. */
export async function lead(kinds: readonly Kind[], leading: Leading, signal: AbortSignal): Promise<void> {
  // One that cannot even start is told of, and never left behind by the wait for the others: they still act.
  await Promise.all(kinds.map((kind) => kind.run(leading, signal).catch(leading.onProblem)))
}
