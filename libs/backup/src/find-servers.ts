import type { BackupShardStatus, BackupStatus } from '@slotkeeper/events'
import { backupSourceOf } from '@slotkeeper/api'
import {
  doneOf,
  type Failure,
  failureOf,
  isForPerson,
  MOST_ATTEMPTS,
  pauseAfter,
  withoutPause,
} from './agent-outcome.ts'
import { MOST_SHARDS_AT_ONCE } from './agent-report.ts'
import type { BackupCase } from './backup-case.ts'
import type { BackupFinding } from './backup-lifecycle.ts'
import { storageWaitsFor } from './storage-waits-for.ts'

type Step = { readonly finding: BackupFinding; readonly status: Omit<BackupStatus, 'state'>; readonly why?: Failure }

/** Whether its servers are none of ours: an agent finds out what they are. */
export const isForeign = ({ spec }: Pick<BackupCase, 'spec'>): boolean => spec.server !== undefined

/** What is known once the servers of a foreign source were found; `Refused` comes with its reason. */
export function found(given: BackupCase, { state: _state, ...before }: BackupStatus): Step {
  const { attempt = 1 } = before
  const { spec, storage, now } = given
  const run = given.runs.find((one) => one.step === 'find' && one.attempt === attempt)
  const done = doneOf(run, 'FindServers')
  if (done !== undefined) {
    const { engine, topology, shards: count } = done
    if (spec.consistency === 'cluster' && count > MOST_SHARDS_AT_ONCE)
      return { finding: 'Refused', status: before, why: tooManyShards(backupSourceOf(spec), count) }
    const { retryAt: _retryAt, reason: _reason, message: _message, beganAt, ...rest } = before
    const source = backupSourceOf(spec)
    // What was stored of shards that were others is not taken for these.
    const next = Math.max(0, ...(before.shards ?? []).map((one) => one.attempt)) + 1
    const shards = Array.from({ length: count }, (_, shard): BackupShardStatus => ({ shard, attempt: next, slots: '' }))
    const began = { beganAt: beganAt ?? new Date(now).toISOString() }
    const status = { ...rest, ...began, cluster: { name: source, uid: source }, engine, topology, shards }
    return { finding: 'ShardsMissing', status }
  }
  const failure = failureOf(run)
  if (failure === null)
    return {
      finding: 'ServersUnknown',
      status: withoutPause(before, given, storageWaitsFor(spec.storageName, storage)),
    }
  if (isForPerson(failure) || attempt >= MOST_ATTEMPTS) return { finding: 'Refused', status: before, why: failure }
  return {
    finding: 'ServersUnknown',
    status: { ...before, attempt: attempt + 1, ...pauseAfter(failure, attempt, now) },
  }
}

/** Why a source has too many shards for one moment. */
export const tooManyShards = (source: string, count: number): Failure => ({
  reason: 'TooManyShards',
  message: `consistency cluster is for at most ${MOST_SHARDS_AT_ONCE} shards, ${source} has ${count}: use consistency shard`,
})
