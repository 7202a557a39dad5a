import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/** Where the programs that tests run are: written by the toolchain's build, or named by the environment. */
export type Toolchain = {
  /** The multi-call binary: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kubectl. */
  readonly kube: string | undefined
  readonly natsServer: string | undefined
  /** The S3 server. */
  readonly versitygw: string | undefined
  /** Azure's Blob Storage for tests, to be run with Node; only where the adapters were tested. */
  readonly azurite: string | undefined
  /** The folder of Ceph's unpacked packages; only where `make test-storage` has been. */
  readonly ceph: string | undefined
  /** Redis and Valkey by version, for example `valkey-9.1`. */
  readonly servers: Readonly<Record<string, ServerTools>>
}

/** One version of Redis or Valkey. */
export type ServerTools = { readonly server: string; readonly cli: string; readonly version: string }

/** The file that the toolchain's build writes. */
export function toolchainFile(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  return join(cache, 'slotkeeper', 'toolchain.json')
}

/** Reads the toolchain; `SLOTKEEPER_KUBE`, `SLOTKEEPER_NATS_SERVER` and `SLOTKEEPER_VERSITYGW` win over the file, a missing file is an empty one. */
export async function readToolchain(): Promise<Toolchain> {
  const written = await readWritten(toolchainFile())
  return {
    kube: process.env.SLOTKEEPER_KUBE ?? written.kube,
    natsServer: process.env.SLOTKEEPER_NATS_SERVER ?? written.natsServer,
    versitygw: process.env.SLOTKEEPER_VERSITYGW ?? written.versitygw,
    azurite: written.azurite,
    ceph: written.ceph,
    servers: written.servers ?? {},
  }
}

/** The targets of `make` that bring the programs. */
const MAKERS = {
  kube: 'toolchain',
  natsServer: 'toolchain',
  versitygw: 'toolchain',
  azurite: 'adapters',
  ceph: 'test-storage',
} as const

/** The path of one program, or an error that says how to get it. */
export async function requireTool(name: keyof typeof MAKERS): Promise<string> {
  const path = (await readToolchain())[name]
  if (path === undefined) throw new Error(`no ${name} in ${toolchainFile()}: run \`make ${MAKERS[name]}\``)
  return path
}

/** The folder that the image of a version of Redis or Valkey is made of, or an error that says how to get it. */
export async function requireImageRoot(engine: string): Promise<string> {
  const server = (await readToolchain()).servers[engine]?.server
  if (server === undefined) throw new Error(`no ${engine} in ${toolchainFile()}: run \`make toolchain\``)
  return join(dirname(server), 'root')
}

async function readWritten(file: string): Promise<Partial<Toolchain>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Partial<Toolchain>
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {}
    throw error
  }
}
