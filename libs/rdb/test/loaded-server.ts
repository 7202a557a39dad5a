import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import {
  type Ask,
  connectServer,
  type RedisConfig,
  type RedisServer,
  startRedisServer,
  until,
} from '@slotkeeper/testing'

const PATIENCE_MS = 40_000

/** A server and a way to ask it; answers are bytes. */
export type Asked = { readonly server: RedisServer; readonly ask: Ask; stop(): Promise<void> }

/** Starts a server that is no part of a cluster unless `config` says so, and connects to it. */
export async function startAsked(engine: string, config: RedisConfig = {}): Promise<Asked> {
  const server = await startRedisServer(engine, { 'cluster-enabled': 'no', ...config })
  try {
    const client = await connectServer((host, port) => connect(port, host), server)
    return {
      server,
      ask: ([word, ...words]) => client.callBuffer(String(word), ...(words as (string | Buffer | number)[])),
      stop: async () => {
        client.disconnect()
        await server.remove()
      },
    }
  } catch (error) {
    await server.remove()
    throw error
  }
}

/** What came of loading a file. */
export type Loaded = { readonly loads: true; readonly keys: number } | { readonly loads: false; readonly log: string }

const REFUSED = /RDB format version|Wrong signature|Fatal error loading|Failed trying to load|Error loading the RDB/i

/** Starts a server on the folder of a `dump.rdb` and sees whether it loads it or ends. */
export async function tryToLoad(engine: string, dir: string): Promise<Loaded> {
  const logfile = join(dir, 'server.log')
  // It may end before it listens or after; its log says why in either case.
  const asked = await startAsked(engine, { dir, logfile }).catch(() => null)
  try {
    return await until(`${engine} to load ${dir}`, PATIENCE_MS, async (): Promise<Loaded | undefined> => {
      const log = await readFile(logfile, 'utf8')
      if (REFUSED.test(log)) return { loads: false, log }
      if (asked === null) throw new Error(`it ended: ${log.slice(-500)}`)
      return { loads: true, keys: Number(await asked.ask(['DBSIZE'])) }
    })
  } finally {
    await asked?.stop()
  }
}
