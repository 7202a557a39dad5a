export {
  type AgentPlan,
  agentPlan,
  type AgentServer,
  type AgentStorage,
  type AgentTask,
  formatPlan,
} from './agent-plan.ts'
export { type ShardRecord, shardRecord } from './agent-plan.ts'
export * from './agent-report.ts'
export { BACKUP_USER } from './backup-user.ts'
export { type BackupManifest, type BackupShard, backupShard, ManifestError, parseManifest } from './manifest.ts'
export { type BackupRef, isNameOfOurs, objectOf, objectOfRecord } from './object-names.ts'
export { refusalOf } from './refusal.ts'
export { strangeSlots } from './strange-slots.ts'
