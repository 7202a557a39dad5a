import {
  type Controller,
  type EventBody,
  type Obj,
  type OutboxEntry,
  runController,
  type RunningController,
  type Trouble,
} from '@slotkeeper/controller'
import { aggregateSubject, defaultPrefix } from '@slotkeeper/events'
import { connectNats, createEventStore } from '@slotkeeper/nats'
import { toMessage } from '../src/to-message.ts'

type Counting = { readonly state: 'Counting'; readonly count: number }
type Counter = Obj<null, Counting>

/** Commits one event after the other for an object of its own, and has the real relay bring them to a real server. */
export type EventWriter = {
  /** Commits so many more; resolves when they are committed, told or not. */
  commit(count: number): Promise<void>
  /** What was committed so far, and how much of it the store has acknowledged to this process. */
  readonly committed: readonly string[]
  acknowledged(): number
  /** Whether the relay has nothing left to tell. */
  allTold(): boolean
  trouble(): Trouble | null
  outbox(): readonly OutboxEntry[]
  /** The name of the server that leads the stream. */
  streamServer(): Promise<string>
  /** The ids in the store, in its order. */
  stored(): Promise<readonly string[]>
  stop(): Promise<void>
}

const key = { namespace: 'shop', name: 'orders' }
const of = { kind: 'cluster', ...key } as const

/** Makes an event of each number up to the one that is wanted. */
const counting = (wanted: () => number): Controller<null, Counting, number, never, EventBody> => ({
  kind: { group: 'slotkeeper.dev', version: 'v1beta1', plural: 'redisclusters' },
  wakes: () => undefined,
  observe: async () => wanted(),
  decide: ({ object: { status }, observed }) => ({
    findings: [],
    status: { state: 'Counting', count: observed },
    events: Array.from({ length: observed - (status?.count ?? 0) }, (_, index) => ({
      type: 'Deleted',
      data: { retain: true, message: `number ${(status?.count ?? 0) + index + 1}` },
    })),
    commands: [],
    lookAgainInMs: 60_000,
  }),
  allows: () => true,
  act: async () => ({ result: 'accepted' }),
})

/** Starts it. `replicas`: how many servers keep the stream. */
export function startEventWriter(url: string, replicas = 1): EventWriter {
  const ending = new AbortController()
  const connection = connectNats({ url, name: 'writer', signal: ending.signal })
  connection.catch(() => undefined)
  const store = createEventStore({ connection, mode: 'ensure', replicas, timeoutMs: 2_000 })
  const committed: string[] = []
  let acknowledged = 0
  let wanted = 0
  let looked: () => void = () => undefined
  let object: Counter = {
    metadata: { ...key, uid: 'uid-1', resourceVersion: '1', generation: 1 },
    spec: null,
    status: null,
  }
  const running: RunningController<Counter> = runController<null, Counting, number, never, EventBody>(
    {
      controller: counting(() => wanted),
      objects: {
        get: async () => object,
        commit: async (before, status) => {
          const next = status as NonNullable<Counter['status']>
          const { life, seq } = next.lifecycle
          for (let told = before.status?.lifecycle.seq ?? 0; told < seq; told += 1)
            committed.push(`uid-1:${life}:${told + 1}`)
          object = { ...object, status: next }
          return object
        },
      },
      store,
      acknowledged: () => void (acknowledged += 1),
      bounds: { entries: 10_000, bytes: 2 ** 24, spillBytes: 2 ** 20 },
      toMessage: toMessage({ prefix: defaultPrefix, kind: 'cluster', plural: 'redisclusters' }),
    },
    { lease: { epoch: 1, holder: 'writer', held: () => true }, signal: ending.signal, report: () => looked() },
  )
  return {
    commit: async (count) => {
      wanted += count
      while (committed.length < wanted) {
        const pass = new Promise<void>((resolve) => (looked = resolve))
        running.wake(key)
        await pass
      }
    },
    committed,
    acknowledged: () => acknowledged,
    allTold: () => running.size().unpublished === 0,
    trouble: () => running.trouble(object),
    outbox: () => object.status?.outbox ?? [],
    stored: async () => {
      const ids: string[] = []
      for await (const { id } of store.read({ filter: aggregateSubject(of) })) ids.push(id)
      return ids
    },
    streamServer: async () => {
      const info = await (await connection).request('$JS.API.STREAM.INFO.REDIS_LIFECYCLE', '', { timeout: 2_000 })
      return info.json<{ readonly cluster: { readonly leader: string } }>().cluster.leader
    },
    stop: async () => {
      ending.abort()
      await running.stopped
    },
  }
}
