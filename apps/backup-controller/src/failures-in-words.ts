import type { Failure } from '@slotkeeper/controller'

/** How often a call must fail before it is more than a passing trouble. */
const PATIENCE = 3

/** Why agents can't be started, in words; null while they can. */
export function failuresInWords(failures: readonly Failure[]): string | null {
  const lasting = failures.find((one) => one.command.type === 'RunAgent' && one.count >= PATIENCE)
  return lasting === undefined ? null : lasting.message
}
