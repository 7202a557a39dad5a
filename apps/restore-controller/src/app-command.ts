import type { AgentOwner } from '@slotkeeper/agents'
import type { RedisBackupStorageSpec } from '@slotkeeper/api'
import type { RestoreCommand } from '@slotkeeper/restore'

/** A command with everything that `act` needs to carry it out. */
export type AppCommand = (RestoreCommand | { readonly type: 'RemoveFinalizer' }) & {
  readonly of: AgentOwner
  /** Name of the cluster that is made, or whose data is replaced. */
  readonly target: string
  /** It is there, and takes volumes that are named after the restore. */
  readonly inPlace: boolean
  /** The spec that it is made with, once that is known. */
  readonly targetSpec?: Readonly<Record<string, unknown>>
  /** For RunAgent: where the agent reads. */
  readonly storage?: RedisBackupStorageSpec
  /** For RemoveFinalizer: what could not be spilled is given up. */
  readonly anyway?: boolean
}
