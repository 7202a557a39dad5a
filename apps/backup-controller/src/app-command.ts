import type { ForeignServer, RedisBackupStorageSpec } from '@slotkeeper/api'
import type { BackupCommand } from '@slotkeeper/backup'
import type { AgentOwner, ScratchServer } from '@slotkeeper/agents'

/** The kinds that this process looks after. */
export type WatchedKind = 'backup' | 'storage' | 'schedule'

/** Whose agents they are, or whose backups. */
export type Owner = AgentOwner & { readonly kind: WatchedKind }

/** A command with everything that `act` needs to carry it out. */
export type AppCommand = BackupCommand & {
  readonly of: Owner
  /** For RunAgent: where the agent reads and writes. */
  readonly storage?: RedisBackupStorageSpec
  /** For RunAgent: the cluster whose servers it reads. */
  readonly cluster?: string
  /** For RunAgent: other servers that it reads. */
  readonly server?: ForeignServer
  /** For RunAgent with such servers: a RedisRestore has made the backup, and names their Secrets. */
  readonly isCopy?: boolean
  /** For RunAgent: the server that it has beside it. */
  readonly scratch?: ScratchServer
  /** For RemoveFinalizer: what could not be spilled is given up. */
  readonly anyway?: boolean
}
