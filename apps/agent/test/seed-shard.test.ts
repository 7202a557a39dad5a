import type { AgentPlan } from '@slotkeeper/backup'
import { keySlot } from '@slotkeeper/rdb'
import { formatRanges } from '@slotkeeper/redis-topology'
import { closeConnections, ENGINES, meetOf, order, type Place, seen, slotsOf, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { wordsHere } from './agent-process.ts'
import {
  backUp,
  contentOf,
  fillShards,
  functionsOf,
  restore,
  type Restored,
  type Sealed,
  slotsFor,
  startShards,
  verifying,
} from './seed-stage.ts'
import { PATIENCE_MS, Stage } from './stage.ts'

vi.setConfig({ testTimeout: 4 * PATIENCE_MS, hookTimeout: 4 * PATIENCE_MS })

const WAYS = ['rdb', 'aof'] as const
const KINDS = ['bucket', 'directory', 'container', 'directory'] as const

type Source = Sealed & {
  readonly values: ReadonlyMap<string, unknown>
  readonly functions: readonly string[]
}

const places = new Map<string, readonly Place[]>()
const sources = new Map<string, Source>()
let stage: Stage

beforeAll(async () => {
  stage = await Stage.make()
  await Promise.all(
    ENGINES.map(async (engine, index) => {
      const shards = await startShards(engine)
      places.set(engine, shards)
      await fillShards(engine, shards)
      const { storage } = await stage[KINDS[index % KINDS.length] ?? 'directory']()
      const sealed = await backUp(stage, storage, engine, shards)
      const servers = shards.map(({ server }) => server)
      const [functions = []] = await functionsOf(servers)
      sources.set(engine, { ...sealed, values: await contentOf(servers), functions })
    }),
  )
})

afterAll(async () => {
  closeConnections()
  await Promise.all(
    Array.from(places.values())
      .flat()
      .map(({ server }) => server.remove()),
  )
  await stage.close()
})

/** Primaries that are introduced to each other agree on who owns what: nobody's slots are taken. */
async function becomesCluster(restored: readonly Restored[]): Promise<void> {
  const all: readonly Place[] = restored.map(({ nodeId, server }) => ({ id: nodeId, server }))
  const [first, ...others] = all as readonly [Place, ...Place[]]
  await order(first.server, ...others.map(meetOf))
  const views = await seen('they are one cluster', all, (one) => one.clusterOk && slotsOf(one) === 16_384)
  for (const { rows } of views)
    for (const [index, { nodeId, slots }] of restored.entries()) {
      const row = rows.find((one) => one.nodeId === nodeId)
      expect(formatRanges(row?.slots ?? [])).toBe(slots)
      expect(row?.configEpoch).toBe(index + 1)
    }
}

/** What is said once all have loaded; until then it is to be tried again. */
const verified = (plan: AgentPlan) =>
  until('all have loaded', PATIENCE_MS, async () => {
    const report = await wordsHere(plan)
    if (report.result === 'Failed' && report.fault === 'ServerUnreachable') return undefined
    return report.result === 'Done' ? report.done : report
  })

const removeAll = (restored: readonly Restored[]) => Promise.all(restored.map(({ server }) => server.remove()))

describe.each(ENGINES.map((engine, turn) => ({ engine, turn })))('$engine', ({ engine, turn }) => {
  // Each in one way, and in the other one where the next engine has its turn.
  const ways = [1, 2, 3, 5].map((shards, index) => ({ shards, persistence: WAYS[(index + turn) % 2] ?? 'rdb' }))

  test.each(ways)(
    'three shards are restored into $shards, as $persistence: every key, every function, every slot',
    async ({ shards, persistence }) => {
      const { values, functions, ...sealed } = sources.get(engine) as Source
      const restored = await restore(stage, sealed, engine, { slots: slotsFor(shards), persistence })
      try {
        const servers = restored.map(({ server }) => server)
        const plan = stage.plan(sealed.storage, verifying(stage, restored))
        // The key whose time was over is in the backup: a base of an append-only file is loaded with such keys.
        const [over, counted] = persistence === 'rdb' ? [1, values.size] : [0, values.size + 1]
        expect(await verified(plan)).toEqual({ task: 'VerifyRestore', keys: counted, expired: over })
        expect(await contentOf(servers)).toEqual(values)
        for (const found of await functionsOf(servers)) expect(found).toEqual(functions)
        if (shards === 3) await becomesCluster(restored)
      } finally {
        await removeAll(restored)
      }
    },
  )

  test.each(WAYS)('a primary whose slots have no keys is seeded too, as %s', async (persistence) => {
    const { values, functions, ...sealed } = sources.get(engine) as Source
    const used = new Set(Array.from(values.keys(), (key) => keySlot(Buffer.from(key, 'latin1'))))
    const free = Array.from({ length: 16_384 }, (_, slot) => slot).find((slot) => !used.has(slot)) as number
    const restored = await restore(stage, sealed, engine, { slots: [[{ first: free, last: free }]], persistence })
    try {
      expect(await verified(stage.plan(sealed.storage, verifying(stage, restored)))).toMatchObject({
        keys: 0,
        expired: 0,
      })
      expect(await functionsOf(restored.map(({ server }) => server))).toEqual([functions])
    } finally {
      await removeAll(restored)
    }
  })
})
