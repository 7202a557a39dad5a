import type { AgentOrder } from '@slotkeeper/backup'

/** What may be done for a restore. */
export type RestoreCommand =
  | { readonly type: 'EnsureFinalizer' }
  | ({ readonly type: 'RunAgent' } & AgentOrder)
  | { readonly type: 'StopAgent'; readonly job: string; readonly uid: string }
  | { readonly type: 'CreateBackup'; readonly backup: string; readonly backupSpec: Readonly<Record<string, unknown>> }
  | { readonly type: 'CreateClaim'; readonly claim: string; readonly shard: number }
  | { readonly type: 'DeleteClaim'; readonly claim: string; readonly uid: string }
  | {
      readonly type: 'CreateCluster'
      readonly opId: string
      readonly cluster: string
      readonly spec: Readonly<Record<string, unknown>>
    }
