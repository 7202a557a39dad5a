import {
  DiscardPolicy,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  StoreCompression,
  type StreamConfig,
} from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { everySubject } from '@slotkeeper/events'
import { EventStoreError, isAbsent } from './errors.ts'

/** What the stream is called, unless a site says otherwise. */
export const defaultStreamName = 'REDIS_LIFECYCLE'

/** How the stream comes to be: made by us when it is absent, or made by an administrator and only looked at. */
export type StreamMode = 'ensure' | 'verify'

/** Which stream a site uses. */
export type StreamOptions = { readonly name?: string; readonly prefix?: string; readonly replicas?: number }

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs

/** The stream as we make it: a history that only its age shortens. */
export const streamConfig = ({ name = defaultStreamName, prefix, replicas = 1 }: StreamOptions = {}) =>
  ({
    name,
    description: 'Lifecycle events of Redis and Valkey, written by Slotkeeper',
    subjects: [everySubject(prefix)],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    compression: StoreCompression.S2,
    num_replicas: replicas,
    max_age: nanos(90 * dayMs),
    duplicate_window: nanos(10 * minuteMs),
    deny_delete: true,
    deny_purge: true,
    allow_direct: true,
    allow_rollup_hdrs: false,
  }) satisfies Partial<StreamConfig>

/**
 * What the history rests on and the actual stream does not have, each in words; empty when all is well. Age, replicas,
 * compression and the duplicate window are the administrator's to choose.
 */
export const streamDifferences = (wanted: ReturnType<typeof streamConfig>, actual: Partial<StreamConfig>): string[] => {
  const missing = wanted.subjects.filter((subject) => !actual.subjects?.includes(subject))
  const fields = ['storage', 'retention', 'discard', 'deny_delete', 'deny_purge', 'allow_rollup_hdrs'] as const
  return [
    ...missing.map((subject) => `subjects lack ${subject}`),
    ...fields
      .filter((field) => (actual[field] ?? false) !== wanted[field])
      .map((field) => `${field} is ${String(actual[field] ?? false)}, not ${String(wanted[field])}`),
    ...(actual.sealed ? ['it is sealed'] : []),
    ...(actual.mirror ? ['it is a mirror'] : []),
    ...(actual.subject_transform ? ['it transforms subjects'] : []),
  ]
}

/** Makes the stream when it is absent and we may; throws `Refused` when it is not what the history needs. Changes none. */
export const prepareStream = async (
  manager: JetStreamManager,
  mode: StreamMode,
  options: StreamOptions = {},
): Promise<void> => {
  const wanted = streamConfig(options)
  const actual = (await find(manager, wanted.name)) ?? (await make(manager, mode, wanted))
  const differences = streamDifferences(wanted, actual)
  if (differences.length > 0)
    throw new EventStoreError('Refused', `stream ${wanted.name} cannot hold the history: ${differences.join('; ')}`)
}

const find = async (manager: JetStreamManager, name: string): Promise<StreamConfig | null> => {
  try {
    return (await manager.streams.info(name)).config
  } catch (error) {
    if (isAbsent(error)) return null
    throw error
  }
}

const make = async (
  manager: JetStreamManager,
  mode: StreamMode,
  wanted: ReturnType<typeof streamConfig>,
): Promise<StreamConfig> => {
  if (mode === 'verify') throw new EventStoreError('Refused', `stream ${wanted.name} does not exist`)
  // What the server made of it, not what we asked for: servers drop fields they do not know.
  return (await manager.streams.add(wanted)).config
}
