export {
  type AgentPlan,
  agentPlan,
  type AgentServer,
  type AgentStorage,
  type AgentTask,
  formatPlan,
  type MountedSecret,
} from './agent-plan.ts'
export { type ShardRecord, shardRecord } from './agent-plan.ts'
export { AGENT_ENVIRONMENT } from './agent-environment.ts'
export * from './agent-report.ts'
export { BACKUP_USER } from './backup-user.ts'
export { type BackupManifest, type BackupShard, backupShard, ManifestError, parseManifest } from './manifest.ts'
export { type BackupRef, isManifestName, isNameOfOurs, objectOf, objectOfRecord } from './object-names.ts'
export { readability } from './readability.ts'
export { refusalOf, refusalOfEngine } from './refusal.ts'
export { storageWaitsFor } from './storage-waits-for.ts'
export { strangeSlots } from './strange-slots.ts'
export { agentName } from './agent-name.ts'
export * from './agent-outcome.ts'
export * from './backup-case.ts'
export type { AgentOrder, BackupCommand } from './backup-command.ts'
export * from './backup-lifecycle.ts'
export { deletionMs } from './next-deletion.ts'
export { nextBackup, waitsFor } from './next-backup.ts'
export { planBackup, SEEDED_VOLUME, SERVER_CA, SERVER_CERTIFICATE, SERVER_SECRETS } from './plan-backup.ts'
export { durationMs, expiryOf, proofOf } from './retention.ts'
export { isAllStored } from './next-deletion.ts'
export {
  nextCheckAt,
  nextStorage,
  planStorage,
  STORAGE_STATES,
  type StorageCase,
  storageSentence,
} from './next-storage.ts'
export * from './next-schedule.ts'
export { type ScheduleTimes, scheduleTimes } from './schedule-times.ts'
