import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureAzurite } from './azurite.ts'
import { cacheDirectory } from './cache-directory.ts'
import { ensureCeph } from './ceph.ts'
import { ensurePrograms } from './debian-programs.ts'
import { ensureGoBuild, goBuilds, type GoBuildName } from './go-build.ts'
import { ensureServer, serverRoots, type Server, type ServerName } from './servers.ts'
import type { Log } from './step-log.ts'

/** Paths of all programs, as written to `toolchain.json` for everything that runs tests. */
export type Toolchain = {
  readonly kube?: string
  readonly containerd?: string
  readonly shim?: string
  readonly ctr?: string
  readonly coredns?: string
  readonly natsServer?: string
  readonly versitygw?: string
  /** The program to be run with Node. Comes only when asked for by name. */
  readonly azurite?: string
  /** The folder of its unpacked packages. No platform runs it, and it comes only when asked for by name. */
  readonly ceph?: string
  readonly pause?: string
  readonly runcWrapper?: string
  readonly servers: Readonly<Partial<Record<ServerName, Server>>>
}

/** What can be asked for: `all`, one thing built from source, `servers`, one server, the system's `programs`, `azurite` or `ceph`. */
export type ToolchainPart = GoBuildName | ServerName | 'servers' | 'programs' | 'azurite' | 'ceph'

/** Every part that belongs to `make toolchain`, those first that other test suites wait for. */
export const toolchainParts: readonly ToolchainPart[] = [
  'servers',
  'natsServer',
  'versitygw',
  'kube',
  'programs',
  'pause',
  'runcWrapper',
  'containerd',
  'coredns',
]

/** The file that holds the {@link Toolchain}. */
export const toolchainFile = (): string => join(cacheDirectory(), 'toolchain.json')

/** Reads what is there already; empty when nothing is. */
export async function readToolchain(): Promise<Toolchain> {
  if (!existsSync(toolchainFile())) return { servers: {} }
  return JSON.parse(await readFile(toolchainFile(), 'utf8')) as Toolchain
}

async function record(change: (before: Toolchain) => Toolchain): Promise<void> {
  await mkdir(cacheDirectory(), { recursive: true })
  const temporary = `${toolchainFile()}.${process.pid}`
  await writeFile(temporary, `${JSON.stringify(change(await readToolchain()), null, 2)}\n`)
  await rename(temporary, toolchainFile())
}

const isServer = (part: ToolchainPart): part is ServerName => part in serverRoots
const isGoBuild = (part: ToolchainPart): part is GoBuildName => part in goBuilds

async function ensurePart(part: ToolchainPart, log: Log, signal: AbortSignal): Promise<void> {
  if (part === 'programs') return ensurePrograms(log, signal)
  if (part === 'azurite') {
    const azurite = await ensureAzurite(log, signal)
    return record((before) => ({ ...before, azurite }))
  }
  if (part === 'ceph') {
    const ceph = await ensureCeph(log, signal)
    return record((before) => ({ ...before, ceph }))
  }
  if (part === 'servers') {
    for (const name of Object.keys(serverRoots))
      if (isServer(name as ServerName)) await ensurePart(name as ServerName, log, signal)
    return
  }
  if (isServer(part)) {
    const server = await ensureServer(part, log, signal)
    return record((before) => ({ ...before, servers: { ...before.servers, [part]: server } }))
  }
  if (!isGoBuild(part)) throw new Error(`unknown part ${String(part)}. Remedy: one of ${toolchainParts.join(', ')}`)
  const folder = await ensureGoBuild(part, log, signal)
  const paths =
    part === 'containerd'
      ? {
          containerd: join(folder, 'containerd'),
          shim: join(folder, 'containerd-shim-runc-v2'),
          ctr: join(folder, 'ctr'),
        }
      : { [part]: join(folder, goBuilds[part].outputs[0]) }
  await record((before) => ({ ...before, ...paths }))
}

/** Builds, fetches and installs what is asked for and not here yet, and writes down where it is. */
export async function ensureToolchain(
  parts: readonly ToolchainPart[],
  log: Log,
  signal: AbortSignal,
): Promise<Toolchain> {
  for (const part of parts.length === 0 ? toolchainParts : parts) await ensurePart(part, log, signal)
  return readToolchain()
}

/** A toolchain with nothing missing that a platform runs. */
export type CompleteToolchain = Required<Omit<Toolchain, 'azurite' | 'ceph'>>

/** Gives the toolchain when the platform can run with it, and says what is missing otherwise. */
export function completeToolchain(toolchain: Toolchain): CompleteToolchain {
  const { kube, containerd, shim, ctr, coredns, natsServer, versitygw, pause, runcWrapper, servers } = toolchain
  const programs = { kube, containerd, shim, ctr, coredns, natsServer, versitygw, pause, runcWrapper }
  if (Object.values(programs).includes(undefined))
    throw new Error('the toolchain is not complete. Remedy: make toolchain')
  return { ...(programs as Required<typeof programs>), servers } as CompleteToolchain
}
