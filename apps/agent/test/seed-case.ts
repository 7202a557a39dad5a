import { createHash } from 'node:crypto'
import { chmod, cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type AgentPlan, type AgentReport, type BackupManifest, parseManifest } from '@slotkeeper/backup'
import { packSlotCounts, unpackSlotCounts } from '@slotkeeper/rdb'
import { evenRanges, formatRanges } from '@slotkeeper/redis-topology'
import { closeConnections, ENGINES, order, type Place, SHARDS } from '@slotkeeper/testing'
import { expect } from 'vitest'
import { wordsHere } from './agent-process.ts'
import { backUp, type Sealed, seeding, startShards } from './seed-stage.ts'
import { fill, Stage, TAGS } from './stage.ts'

export const NEWEST = ENGINES.at(-1) as string
export const MIB = 1024 * 1024
/** Values of a MiB in the first shard; every shard has two small keys, of which one ends. */
export const LARGE = 12
/** The slots of the shards that are backed up. */
export const [FIRST, SECOND] = evenRanges(SHARDS).map((range) => formatRanges([range])) as [string, string, string]

/** A small backup in a directory, to be spoilt and restored in many ways. */
export class SeedCase {
  readonly stage: Stage
  readonly sealed: Sealed
  readonly #places: readonly Place[]

  private constructor(stage: Stage, sealed: Sealed, places: readonly Place[]) {
    this.stage = stage
    this.sealed = sealed
    this.#places = places
  }

  static async make(): Promise<SeedCase> {
    const stage = await Stage.make()
    const places = await startShards(NEWEST)
    await fill(places[0] as Place, TAGS[0], LARGE)
    for (const [index, tag] of TAGS.entries())
      await order((places[index] as Place).server, ['SET', `${tag}:a`, 'x'], ['SET', `${tag}:b`, 'x', 'EX', '86400'])
    const { storage } = await stage.directory()
    return new SeedCase(stage, await backUp(stage, storage, NEWEST, places), places)
  }

  async close(): Promise<void> {
    closeConnections()
    await Promise.all(this.#places.map(({ server }) => server.remove()))
    await this.stage.close()
  }

  /** What is said of filling a volume, in this process. */
  seed(
    of: Sealed,
    volume: string,
    more: Parameters<typeof seeding>[2] = {},
    plan: Partial<AgentPlan> = {},
  ): Promise<AgentReport> {
    return wordsHere(this.stage.plan(of.storage, seeding(of, volume, more), plan))
  }

  /** What is said of a backup; for servers of its own kind when not said. */
  inspect(of: Sealed, target: { engine: 'redis' | 'valkey'; version: string } | null = null): Promise<AgentReport> {
    return wordsHere(this.stage.plan(of.storage, { type: 'InspectBackup', manifest: of.manifest, target }))
  }

  /** A copy of the backup, to be spoilt. */
  async copied() {
    const { storage, manifest: key } = this.sealed
    if (storage.type !== 'directory') throw new Error('it is no directory')
    const path = await this.stage.folder()
    await cp(storage.path, path, { recursive: true })
    const manifest = parseManifest(await readFile(join(path, key), 'utf8'))
    const objects = manifest.shards.map(({ object }) => join(path, object))
    return { of: { ...this.sealed, storage: { type: 'directory', path } } as Sealed, path, manifest, objects }
  }

  /** The backup with another manifest, which is then the one that was inspected. */
  async rewritten(change: (manifest: BackupManifest) => void): Promise<Sealed> {
    const { of, path, manifest } = await this.copied()
    change(manifest)
    const text = JSON.stringify(manifest)
    await replace(join(path, of.manifest), Buffer.from(text))
    return { ...of, sha256: createHash('sha256').update(text).digest('hex') }
  }
}

/** Last words of an agent that failed, to be matched. */
export const failed = (fault: string, message: string | RegExp) => ({
  result: 'Failed',
  fault,
  message: typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message),
})

export const markerOf = (volume: string): Promise<string> => readFile(join(volume, 'slotkeeper.marker'), 'utf8')

/** Writes over an object, which a storage does not do. */
export async function replace(file: string, bytes: Uint8Array): Promise<void> {
  await chmod(file, 0o600)
  await writeFile(file, bytes)
}

/** Says of the first shard that it has one key more, in this slot. */
export function claimKey({ shards }: BackupManifest, slot: number): void {
  const [one] = shards as [BackupManifest['shards'][number]]
  const counts = unpackSlotCounts(one.content.slots)
  counts[slot] = 1
  shards[0] = { ...one, content: { ...one.content, keys: one.content.keys + 1, slots: packSlotCounts(counts) } }
}
