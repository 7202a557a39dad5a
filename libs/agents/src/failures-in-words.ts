import type { Failure } from '@slotkeeper/controller'

/** How often a call must fail before it is more than a passing trouble. */
const PATIENCE = 3
const MAKING: readonly string[] = ['RunAgent', 'CreateBackup', 'CreateClaim', 'CreateCluster']

/** Why agents can't be started, or backups not created, in words; null while they can. */
export function failuresInWords(failures: readonly Failure[]): string | null {
  const lasting = failures.find((one) => MAKING.includes(one.command.type) && one.count >= PATIENCE)
  return lasting === undefined ? null : lasting.message
}
