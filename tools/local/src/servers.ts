import { existsSync } from 'node:fs'
import { chmod, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDirectory } from './cache-directory.ts'
import { ensureDebianRoot, type DebianRoot } from './debian-root.ts'
import { runCommand } from './run-command.ts'
import type { Log } from './step-log.ts'

/** A Redis or Valkey that runs directly on this machine. */
export type Server = { readonly server: string; readonly cli: string; readonly version: string }

const shell = ['dash', 'coreutils', 'grep', 'sed', 'libc6', 'mawk']

const rootOf = (name: ServerName, suite: DebianRoot['suite'], family: Family): DebianRoot => ({
  name,
  suite,
  packages: [`${family}-server`, `${family}-tools`, ...shell],
})

/** The two families of servers. */
export type Family = 'redis' | 'valkey'

/** The versions of Redis and Valkey that are here. */
export type ServerName = 'redis-7.0' | 'redis-8.0' | 'valkey-8.1' | 'valkey-9.1'

/** Where each server comes from: its root folder also becomes its image. */
export const serverRoots: Readonly<Record<ServerName, DebianRoot>> = {
  'redis-7.0': rootOf('redis-7.0', 'bookworm', 'redis'),
  'redis-8.0': rootOf('redis-8.0', 'trixie', 'redis'),
  'valkey-8.1': rootOf('valkey-8.1', 'trixie', 'valkey'),
  'valkey-9.1': rootOf('valkey-9.1', 'forky', 'valkey'),
}

/** The family that a server belongs to. */
export const familyOf = (name: ServerName): Family => (name.startsWith('redis') ? 'redis' : 'valkey')

async function writeWrapper(folder: string, root: string, program: string): Promise<string> {
  const path = join(folder, program)
  const libraries = ['usr/lib/x86_64-linux-gnu', 'usr/lib/aarch64-linux-gnu']
    .map((part) => join(root, part))
    .find((part) => existsSync(part))
  const loader = [
    'usr/lib64/ld-linux-x86-64.so.2',
    'usr/lib/ld-linux-aarch64.so.1',
    'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2',
  ]
    .map((part) => join(root, part))
    .find((part) => existsSync(part))
  if (libraries === undefined || loader === undefined)
    throw new Error(`no loader in ${root}. Remedy: remove it and try again`)
  await writeFile(
    `${path}.new`,
    `#!/bin/sh\nexec '${loader}' --library-path '${libraries}' '${join(root, 'usr/bin', program)}' "$@"\n`,
  )
  await chmod(`${path}.new`, 0o755)
  await rename(`${path}.new`, path)
  return path
}

/**
 * Unpacks a server and gives files that start it on this machine: they `exec` the unpacked loader. Beside them, `root`
 * leads to the folder that the server's image is made of.
 */
export async function ensureServer(name: ServerName, log: Log, signal: AbortSignal): Promise<Server> {
  const root = await ensureDebianRoot(serverRoots[name], log, signal)
  const folder = join(cacheDirectory(), 'bin', name)
  await mkdir(folder, { recursive: true })
  const server = await writeWrapper(folder, root, `${familyOf(name)}-server`)
  const cli = await writeWrapper(folder, root, `${familyOf(name)}-cli`)
  await rm(join(folder, 'root.new'), { force: true })
  await symlink(root, join(folder, 'root.new'))
  await rename(join(folder, 'root.new'), join(folder, 'root'))
  const text = await runCommand(server, ['--version'], { signal, deadline: 10_000 })
  const version = /v=(\d+\.\d+\.\d+)/.exec(text)?.[1]
  if (version === undefined || !version.startsWith(`${name.split('-')[1] ?? ''}.`)) {
    throw new Error(
      `${name} says it is ${text.trim()}. Remedy: remove ${root} and try again; the suite may have moved on`,
    )
  }
  return { server, cli, version }
}
