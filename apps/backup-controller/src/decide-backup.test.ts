import { redisBackupSpec, redisBackupStorageSpec } from '@slotkeeper/api'
import { expect, test } from 'vitest'
import type { AppCommand } from './app-command.ts'
import { decideBackup } from './decide-backup.ts'

const now = Date.parse('2026-11-22T10:00:00Z')
const storage = redisBackupStorageSpec.parse({ s3: { bucket: 'backups' } })
const server = { address: 'old:6379', password: { secretName: 'old' } }

/** The agents that are started for a new backup. */
function ordersOf(source: object, isCopy: boolean): readonly AppCommand[] {
  const creationTimestamp = new Date(now).toISOString()
  const metadata = { namespace: 'shop', name: 'nightly', uid: 'backup-1', generation: 1, creationTimestamp }
  const observed = {
    source: null,
    storage: { isTried: true, usable: true, message: '', spec: storage },
    runs: [],
    siblings: [],
    isCopy,
  }
  const spec = redisBackupSpec.parse({ storageName: 'archive', ...source })
  const first = decideBackup({ object: { metadata, spec, status: null }, observed, failures: [], now } as never, null)
  const object = { metadata, spec, status: first.status }
  const second = decideBackup({ object, observed, failures: [], now } as never, null)
  return second.commands.filter((one) => one.type === 'RunAgent')
}

test.each([true, false])('agents that enter other servers know whose fields name the Secrets: copy %s', (isCopy) => {
  expect(ordersOf({ server }, isCopy)).toMatchObject([{ step: 'find', server, isCopy }])
})
