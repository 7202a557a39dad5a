import { randomBytes } from 'node:crypto'
import { ENGINES, kept, type Place, until } from '@slotkeeper/testing'
import { expect, onTestFinished, test } from 'vitest'
import { startAgent } from './agent-process.ts'
import { PATIENCE_MS, removeAll, Stage, startCluster, storing, TAGS } from './stage.ts'

const MIB = 1024 * 1024
const PIECE = 8 * MIB
/** The largest value that a server takes. */
const PIECES = 64
const KEY = `${TAGS[0]}:large`

test(
  'a value of 512 MiB takes no more memory than a small one',
  async () => {
    const stage = await Stage.make()
    const places = await startCluster(ENGINES.at(-1) as string, { rdbcompression: 'no' })
    onTestFinished(async () => {
      await removeAll(places)
      await stage.close()
    })
    const [{ server }] = places as readonly [Place]
    const mostMiB = async (): Promise<number> => {
      const { storage } = await stage.directory()
      const { shards, ...task } = storing(places, { target: 'primary', credentials: stage.credentials })
      const agent = await startAgent(
        stage.plan(storage, { ...task, shards: shards.slice(0, 1) }, { deadlineMs: 600_000 }),
      )
      const { report, log } = await agent.ended
      expect(report).toMatchObject({ result: 'Done' })
      return Number(log.find((line) => 'mostMemoryMiB' in line)?.['mostMemoryMiB'])
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
    expect(before).toBeGreaterThan(0)
    expect(after - before).toBeLessThan(160)
  },
  5 * PATIENCE_MS,
)
