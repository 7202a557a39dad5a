import type { RedisBackupSpec, RedisBackupStorageSpec } from '@slotkeeper/api'
import type { BackupStatus } from '@slotkeeper/events'
import type { BackupCase, Sibling } from './backup-case.ts'

type Policy = NonNullable<RedisBackupStorageSpec['retentionPolicy']>

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds of a duration as `30d`, `12h` or `90m`. */
export function durationMs(text: string): number {
  const unit = UNIT_MS[text.slice(-1) as keyof typeof UNIT_MS]
  return Number(text.slice(0, -1)) * unit
}

/**
 * Why the retention policy lets go of a completed backup, in words; null when it stays. The newest of a cluster always
 * stays, whatever its age. Backups of a cluster of the same name that was another one count by themselves.
 *
 * @param others completed backups in the same storage
 */
export function expiryOf(
  own: Sibling,
  others: readonly Sibling[],
  policy: Policy | undefined,
  now: number,
): string | null {
  const newer = others.filter((one) => outdates(one, own)).length
  if (policy === undefined || newer === 0) return null
  const { keep, maxAge } = rulesOf(policy)
  if (policy.keep !== undefined && newer >= policy.keep) return `${keep} ${newer} newer ones are there`
  if (policy.maxAge !== undefined && now - Date.parse(own.endedAt) > durationMs(policy.maxAge))
    return `${maxAge} it ended at ${own.endedAt}`
  return null
}

/** What the reasons of a policy begin with. */
const rulesOf = ({ keep, maxAge }: Policy) => ({ keep: `keep ${keep}:`, maxAge: `maxAge ${maxAge}:` })

/**
 * Whether somebody wants to keep a backup after all whose deletion a policy has begun: the policy was changed and would not let go of
 * it, or it is the newest of its cluster again. That one of several newer ones has gone meanwhile is no change of mind.
 *
 * @param expired why it was let go of
 */
export function isWantedAgain(given: BackupCase, before: Partial<BackupStatus>, expired: string): boolean {
  if (expiredNow(given, before) !== null) return false
  const { siblings, storage } = given
  const own = ownOf(given, before)
  if (!siblings.some((one) => outdates(one, own))) return true
  const policy = storage?.spec.retentionPolicy
  return policy === undefined || !Object.values(rulesOf(policy)).some((rule) => expired.startsWith(rule))
}

/** As `expiryOf`, of what is there just now; the copy of a restore goes with that, and never before. */
export function expiredNow(given: BackupCase, before: Partial<BackupStatus>): string | null {
  const { siblings, storage, isCopy, now } = given
  return isCopy ? null : expiryOf(ownOf(given, before), siblings, storage?.spec.retentionPolicy, now)
}

/** A backup as its siblings are seen. */
const ownOf = ({ backup, spec }: BackupCase, { cluster, endedAt = '', verified }: Partial<BackupStatus>): Sibling => ({
  ...backup,
  clusterUid: cluster?.uid ?? '',
  endedAt,
  ...proofOf(spec, verified),
})

/** PURE: whether a backup is what was asked for, where that was to be loaded by servers. */
export function proofOf(
  { verify }: Pick<RedisBackupSpec, 'verify'>,
  verified: string | undefined,
): Pick<Sibling, 'proof'> {
  return verify === 'restore' ? { proof: verified === 'restore' ? 'given' : 'missing' } : {}
}

/** Whether one is newer, and as good: what no server could load is no reason to let go of what one has loaded. */
function outdates(one: Sibling, own: Sibling): boolean {
  const isWorse = one.proof === 'missing' && own.proof === 'given'
  return one.clusterUid === own.clusterUid && !isWorse && isNewer(one, own)
}

function isNewer(one: Sibling, than: Sibling): boolean {
  const [a, b] = [Date.parse(one.endedAt), Date.parse(than.endedAt)]
  return a === b ? one.uid > than.uid : a > b
}
