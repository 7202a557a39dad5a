import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import type { AgentPlan } from '@slotkeeper/backup'
import { ENGINES, kept, type Place, until } from '@slotkeeper/testing'
import { expect, onTestFinished, test } from 'vitest'
import { doneHere, startAgent } from './agent-process.ts'
import { seeding } from './seed-stage.ts'
import { PATIENCE_MS, removeAll, sealing, Stage, startCluster, storing, TAGS } from './stage.ts'

const MIB = 1024 * 1024
const PIECE = 8 * MIB
/** The largest value that a server takes. */
const PIECES = 64
const KEY = `${TAGS[0]}:large`
const NEWEST = ENGINES.at(-1) as string
const DEADLINE = { deadlineMs: 600_000 }

test(
  'a value of 512 MiB takes no more memory than a small one: to be stored, to be restored',
  async () => {
    const stage = await Stage.make()
    const places = await startCluster(NEWEST, { rdbcompression: 'no' })
    onTestFinished(async () => {
      await removeAll(places)
      await stage.close()
    })
    const [{ server }] = places as readonly [Place]
    const run = async (plan: AgentPlan) => {
      const { report, log } = await (await startAgent(plan)).ended
      if (report?.result !== 'Done') throw new Error(JSON.stringify(report))
      return { done: report.done, mostMiB: Number(log.find((line) => 'mostMemoryMiB' in line)?.['mostMemoryMiB']) }
    }
    const mostMiB = async () => {
      const { storage } = await stage.directory()
      const task = storing(places, { target: 'primary', credentials: stage.credentials })
      const stored = await run(stage.plan(storage, task, DEADLINE))
      const shards = stored.done.task === 'StoreShards' ? stored.done.shards : []
      const sealed = await doneHere('SealBackup', stage.plan(storage, sealing(task, NEWEST, shards)))
      const volume = await stage.folder()
      const seeded = await run(stage.plan(storage, seeding({ storage, ...sealed }, volume), DEADLINE))
      await rm(volume, { recursive: true })
      return { storing: stored.mostMiB, restoring: seeded.mostMiB }
    }
    const write = (count: number, bytes: Buffer) =>
      until('it is written', PATIENCE_MS, () =>
        kept(server).binary([['SETRANGE', KEY, String(count * PIECE), bytes]], PATIENCE_MS),
      )
    // So much that every buffer has its size.
    for (let count = 0; count < 8; count += 1) await write(count, randomBytes(PIECE))
    const before = await mostMiB()
    // From its end on: a value that grows is copied by the server each time.
    for (let count = PIECES - 1; count >= 8; count -= 1) await write(count, randomBytes(PIECE))
    const [length] = (await kept(server).binary([['STRLEN', KEY]], PATIENCE_MS)) as [number]
    expect(length).toBe(PIECES * PIECE)
    const after = await mostMiB()
    expect(Math.min(before.storing, before.restoring)).toBeGreaterThan(0)
    expect(after.storing - before.storing).toBeLessThan(160)
    expect(after.restoring - before.restoring).toBeLessThan(160)
  },
  5 * PATIENCE_MS,
)
