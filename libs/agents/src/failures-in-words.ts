import type { Failure } from '@slotkeeper/controller'

/** How often a call must fail before it is more than a passing trouble. */
const PATIENCE = 3
const TOLD: readonly string[] = [
  'RunAgent',
  'CreateBackup',
  'CreateClaim',
  'CreateCluster',
  'SwitchCluster',
  'WithdrawOrder',
]

/** Why agents can't be started, backups not created, or clusters not told what to take, in words; null while they can. */
export function failuresInWords(failures: readonly Failure[]): string | null {
  const lasting = failures.find((one) => TOLD.includes(one.command.type) && one.count >= PATIENCE)
  return lasting === undefined ? null : lasting.message
}
