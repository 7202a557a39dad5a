import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What a restore leaves on the volume of a shard's first primary. */
export type Seed = {
  /** The restore's uid. */
  readonly restore: string
  readonly shard: number
  readonly persistence: 'aof' | 'rdb'
  /** As in nodes.conf: `0-5460`. */
  readonly slots: string
  readonly epoch: number
  /** The highest epoch of all shards. */
  readonly currentEpoch: number
  /** Its keys, as an RDB file. */
  readonly rdb: Uint8Array
}

/**
 * Fills a volume as a restore does (docs/boot-guard.md); gives the id of the node that is to live on it. The row is this
 * node's alone: it can't know the addresses of the others, and no shard-id, for one that was thought out has wiped shards.
 */
export async function seedVolume(data: string, seed: Seed): Promise<string> {
  const { restore, shard, persistence, slots, epoch, currentEpoch, rdb } = seed
  const id = randomBytes(20).toString('hex')
  if (persistence === 'rdb') await writeFile(join(data, 'dump.rdb'), rdb)
  else await writeAppendOnlyFile(join(data, 'appendonlydir'), rdb)
  const row = `${id} :0@0 myself,master - 0 0 ${epoch} connected ${slots}`
  await writeFile(join(data, 'nodes.conf'), `${row}\nvars currentEpoch ${currentEpoch} lastVoteEpoch 0\n`)
  for (const name of ['clean', 'ended']) await writeFile(join(data, `slotkeeper.${name}`), '')
  await writeFile(join(data, 'slotkeeper.marker'), `${restore} ${shard} seeded\n`)
  return id
}

async function writeAppendOnlyFile(folder: string, rdb: Uint8Array): Promise<void> {
  const [base, more] = ['appendonly.aof.1.base.rdb', 'appendonly.aof.1.incr.aof']
  await mkdir(folder)
  await writeFile(join(folder, base), rdb)
  await writeFile(join(folder, more), '')
  await writeFile(join(folder, 'appendonly.aof.manifest'), `file ${base} seq 1 type b\nfile ${more} seq 1 type i\n`)
}
