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
      readonly type: 'SwitchCluster'
      readonly opId: string
      readonly cluster: string
      readonly uid: string
      /** What its spec names by now. */
      readonly restoredBy?: string
      /** The volume that its servers have, which it is to give up. */
      readonly volume: string
    }
  | {
      /** The cluster was told to take what was restored, and has not begun: it goes on with what it has. */
      readonly type: 'WithdrawOrder'
      readonly cluster: string
      readonly uid: string
    }
  | {
      /** All in one: whether a pod still mounts any of them is asked once. */
      readonly type: 'DeleteOldClaims'
      readonly claims: readonly { readonly name: string; readonly uid: string }[]
      readonly cluster: string
      readonly clusterUid: string
    }
  | {
      readonly type: 'CreateCluster'
      readonly opId: string
      readonly cluster: string
      readonly spec: Readonly<Record<string, unknown>>
    }
