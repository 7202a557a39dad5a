import { FOREIGN_TO_VALKEY } from './common-header.ts'
import type { RdbContent } from './rdb-tally.ts'
import { READABLE_VERSIONS, type RdbFormat } from './rdb-types.ts'

/** A server by its kind and version, such as `redis` and `8.0.2`. */
export type RdbEngine = {
  readonly engine: 'redis' | 'valkey'
  readonly version: string
}

/** A server that a file is to be loaded into. */
export type RdbTarget = RdbEngine & {
  /** The types of modules that it has loaded, as `RdbContent.modules` names them. None when not said. */
  readonly modules?: readonly string[]
}

/** Whether a server loads a file, and why, in a sentence. */
export type Compatibility = { readonly loads: boolean; readonly reason: string }

/** What a release of a server writes, and up to where it reads files of Redis. */
type Release = {
  readonly since: readonly [major: number, minor: number]
  readonly writes: { readonly format: RdbFormat; readonly version: number }
  readonly readsRedis: number
  readonly readsValkey: number
  /** Types of modules that are built in. */
  readonly builtIn: readonly string[]
}

const release = (
  since: Release['since'],
  version: number,
  {
    readsRedis = version,
    readsValkey = 0,
    builtIn = [],
  }: Partial<Pick<Release, 'readsRedis' | 'readsValkey' | 'builtIn'>> = {},
): Release => ({
  since,
  writes: { format: readsValkey > 0 ? 'valkey' : 'redis', version },
  readsRedis,
  readsValkey,
  builtIn,
})

const VECTOR_SETS = ['vectorset']

/**
 * Who writes and reads what: `RDB_VERSION` in `src/rdb.h` of each release, what `rdbLoadRioWithLoadingCtx` of Redis and
 * `rdbIsVersionAccepted` of Valkey do with it. Oldest first.
 */
const RELEASES: Readonly<Record<RdbEngine['engine'], readonly Release[]>> = {
  redis: [
    release([6, 0], 9),
    release([7, 0], 10),
    release([7, 2], 11),
    release([7, 4], 12),
    release([8, 0], 12, { builtIn: VECTOR_SETS }),
    release([8, 6], 13, { builtIn: VECTOR_SETS }),
    release([8, 8], 14, { builtIn: VECTOR_SETS }),
    release([8, 10], 15, { builtIn: VECTOR_SETS }),
  ],
  valkey: [release([7, 2], 11), release([9, 0], 80, { readsRedis: 11, readsValkey: 80 })],
}

/**
 * Whether a server loads a file. A release that is not in the table is taken for the last one before it, which is right for
 * as long as servers read what their predecessors wrote.
 *
 * @param content what is in the file: the tally of it, or the manifest of its backup
 * @throws Error if its version is no version
 */
export function canLoad(content: Pick<RdbContent, 'format' | 'version' | 'modules'>, target: RdbTarget): Compatibility {
  const known = knownRelease(target)
  const name = `${nameOf(target.engine)} ${target.version}`
  if (known === undefined) return { loads: false, reason: `nothing is known of ${name}` }
  const file = `${content.format === 'valkey' ? 'VALKEY' : 'REDIS'} ${content.version}`
  const refusal = versionRefusal(content, target.engine, known)
  if (refusal !== null) return { loads: false, reason: `${name} does not load ${file}: ${refusal}` }
  const present = new Set([...known.builtIn, ...(target.modules ?? [])])
  const missing = content.modules.filter((module) => !present.has(module))
  if (missing.length > 0)
    return {
      loads: false,
      reason: `the file holds data of modules that ${name} is not known to have: ${missing.join(', ')}`,
    }
  return { loads: true, reason: `${name} loads ${file}` }
}

function versionRefusal(
  { format, version }: Pick<RdbContent, 'format' | 'version'>,
  engine: RdbEngine['engine'],
  { readsRedis, readsValkey }: Release,
): string | null {
  const { first } = READABLE_VERSIONS[format]
  if (version < first) return `files before version ${first} are not known here`
  if (format === 'valkey') {
    if (version <= readsValkey) return null
    return readsValkey > 0
      ? `it reads up to VALKEY ${readsValkey}`
      : 'only Valkey 9 and later read what Valkey 9 writes'
  }
  if (version <= readsRedis) return null
  if (engine === 'valkey' && version >= FOREIGN_TO_VALKEY)
    return `Valkey reads files of Redis up to version ${FOREIGN_TO_VALKEY - 1} (Redis 7.2); later ones are a format of its own`
  return `it reads up to version ${readsRedis}`
}

/**
 * The format that a server gives its data in: in a file (`SAVE`, `BGSAVE`), or in the stream to a replica that announces no
 * version of its own with `REPLCONF version`. To such a replica Valkey 9 sends what Valkey 8 reads, unless hash fields have
 * an end: these that format cannot hold, and the synchronisation fails.
 *
 * @throws Error if nothing is known of a server that old, or its version is no version
 */
export function formatWrittenBy(
  engine: RdbEngine,
  how: 'file' | 'stream',
): { readonly format: RdbFormat; readonly version: number } {
  const { writes, readsRedis } = releaseOf(engine)
  return how === 'stream' && writes.format === 'valkey' ? { format: 'redis', version: readsRedis } : writes
}

function releaseOf(server: RdbEngine): Release {
  const known = knownRelease(server)
  if (known === undefined) throw new Error(`nothing is known of ${nameOf(server.engine)} ${server.version}`)
  return known
}

function knownRelease({ engine, version }: RdbEngine): Release | undefined {
  const match = /^(\d+)\.(\d+)(?:\.|$)/.exec(version)
  if (match === null) throw new Error(`${version} is not the version of a server`)
  const [major, minor] = [Number(match[1]), Number(match[2])]
  return RELEASES[engine].findLast(({ since }) => since[0] < major || (since[0] === major && since[1] <= minor))
}

const nameOf = (engine: RdbEngine['engine']): string => (engine === 'redis' ? 'Redis' : 'Valkey')
