import { redisBackupStorageSpec } from '@slotkeeper/api'
import type { StorageStatus } from '@slotkeeper/events'
import { expect, test } from 'vitest'
import { decideStorage } from './decide-storage.ts'

const now = Date.parse('2026-11-22T10:00:00Z')
const spec = redisBackupStorageSpec.parse({ s3: { bucket: 'backups' } })
const checkedAt = new Date(now - 1_000).toISOString()
const nextCheckAt = new Date(now + 3_600_000).toISOString()
const served: StorageStatus = { state: 'Usable', checks: 1, checkedGeneration: 1, checkedAt, nextCheckAt }

/** What follows from such a word in the annotation. */
function asked(word: string, status: StorageStatus) {
  const annotations = { 'slotkeeper.dev/check': word }
  const metadata = { namespace: 'shop', name: 'archive', uid: 'storage-1', generation: 1, annotations }
  const observed = { runs: [], backups: [] }
  const decided = decideStorage({ object: { metadata, spec, status }, observed, failures: [], now } as never, null)
  // As it comes back from where it is kept.
  const kept = JSON.parse(Buffer.from(JSON.stringify(decided.status)).toString()) as StorageStatus
  return { kept, isTried: decided.commands.some(({ type }) => type === 'RunAgent') }
}

test.each(['1763805600', '', 'x'.repeat(65), `${'x'.repeat(63)}\u{1f600}`, '\u{1f600}'.repeat(40), 'a\u0000\ud83d'])(
  'a storage is tried once for each word: %j',
  (word) => {
    const first = asked(word, served)
    expect(first.isTried).toBe(true)
    expect(first.kept.checkAsked).toMatch(/^[ -~]{0,64}$/)
    const afterwards = {
      ...served,
      ...(first.kept.checkAsked === undefined ? {} : { checkAsked: first.kept.checkAsked }),
    }
    expect(asked(word, afterwards).isTried).toBe(false)
    expect(asked(`${word}!`, afterwards).isTried).toBe(true)
  },
)
