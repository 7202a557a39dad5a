import type { AgentTask } from './agent-plan.ts'
import type { AgentStep } from './backup-case.ts'

/** An agent that is to be started. Its name says for which attempt, so that to start it twice is to start it once. */
export type AgentOrder = {
  readonly job: string
  readonly step: AgentStep
  /** As in AgentRun. */
  readonly part?: number
  readonly attempt: number
  readonly task: AgentTask
  /** For the whole task, in milliseconds. */
  readonly deadlineMs: number
}

/** What may be done for a backup. */
export type BackupCommand =
  | { readonly type: 'EnsureFinalizer' }
  | { readonly type: 'RemoveFinalizer' }
  | { readonly type: 'ExpireBackup'; readonly why: string }
  | ({ readonly type: 'RunAgent' } & AgentOrder)
  | { readonly type: 'StopAgent'; readonly job: string; readonly uid: string }
