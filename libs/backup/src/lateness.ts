import type { BackupCase } from './backup-case.ts'

/** That a backup was not done in the time that it may take from its creation, in words; null while it is not late. */
export function lateness({ backup, spec, now }: Pick<BackupCase, 'backup' | 'spec' | 'now'>): string | null {
  const isLate = now - backup.createdAt > spec.deadlineSeconds * 1_000
  return isLate ? `it was not done ${spec.deadlineSeconds} s after its creation (spec.deadlineSeconds)` : null
}
