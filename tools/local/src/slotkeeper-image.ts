import { existsSync } from 'node:fs'
import { chmod, copyFile, cp, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ownArchitecture, type Architecture } from './architecture.ts'
import { cacheDirectory } from './cache-directory.ts'
import { ensureDebianRoot } from './debian-root.ts'
import type { ImageConfig } from './image-archive.ts'
import { runCommand } from './run-command.ts'
import { step, type Log } from './step-log.ts'
import { writeUsers } from './write-users.ts'

/** What the processes of all apps start with; the Dockerfile of releases says the same. */
export const slotkeeperConfig: ImageConfig = {
  entrypoint: ['/usr/local/bin/node'],
  user: '65532:65532',
  workingDirectory: '/app',
  environment: ['NODE_ENV=production'],
}

/** What the image of all apps is filled from. */
export type SlotkeeperParts = {
  /** Root folder with the libraries that Node is linked with. */
  readonly libraries: string
  readonly node: string
  /** The bundle of each app, by the name it gets in `/app`. */
  readonly bundles: ReadonlyMap<string, string>
}

/** The Debian packages below Node: its base, in the image of the local platform and in releases. */
export const nodeLibraries = {
  name: 'node-libraries',
  suite: 'bookworm',
  packages: ['libc6', 'libstdc++6', 'libgcc-s1'],
} as const

const repository = join(import.meta.dirname, '..', '..', '..')
// Node carries its own character sets, and nobody debugs C++ in there.
const superfluous = /^usr\/(share\/(gcc|gdb)|lib\/[^/]+\/gconv)(\/|$)/

/** Gathers what the image of one architecture is made of; the apps must have been bundled. */
export async function slotkeeperParts(
  architecture: Architecture,
  log: Log,
  signal: AbortSignal,
): Promise<SlotkeeperParts> {
  const foreign = architecture === ownArchitecture() ? {} : { architecture }
  const libraries = await ensureDebianRoot({ ...nodeLibraries, ...foreign }, log, signal)
  return { libraries, node: await nodeFor(architecture, log, signal), bundles: await bundles() }
}

/** Fills a root folder with libraries, Node, bundles and users. */
export async function fillSlotkeeper(root: string, { libraries, node, bundles: apps }: SlotkeeperParts): Promise<void> {
  await cp(libraries, root, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !superfluous.test(source.slice(libraries.length + 1)),
  })
  for (const folder of ['app', 'usr/local/bin']) await mkdir(join(root, folder), { recursive: true })
  await copyFile(node, join(root, 'usr/local/bin/node'))
  await chmod(join(root, 'usr/local/bin/node'), 0o755)
  for (const [name, file] of apps) await copyFile(file, join(root, 'app', name))
  await writeUsers(root, 'slotkeeper', 65532)
}

async function bundles(): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const app of (await readdir(join(repository, 'apps')).catch(() => [])).toSorted()) {
    const file = join(repository, 'apps', app, 'dist/main.mjs')
    if (existsSync(file)) found.set(`${app}.mjs`, file)
  }
  return found
}

/** The Node that the lock file names; npm brings the one of another architecture when it is asked to. */
async function nodeFor(architecture: Architecture, log: Log, signal: AbortSignal): Promise<string> {
  const cpu = architecture === 'amd64' ? 'x64' : architecture
  const program = (folder: string): string => join(folder, `node_modules/node-linux-${cpu}/bin/node`)
  if (architecture === ownArchitecture()) {
    if (!existsSync(program(repository))) throw new Error(`no Node at ${program(repository)}. Remedy: npm ci`)
    return program(repository)
  }
  const known = join(cacheDirectory(), 'node', `${process.version}-${cpu}`)
  if (existsSync(program(known))) return program(known)
  await step(log, `fetch Node for ${architecture}`, async () => {
    await mkdir(join(known, '..'), { recursive: true })
    const temporary = await mkdtemp(join(known, '..', '.fetching-'))
    try {
      for (const file of ['package.json', 'package-lock.json', '.npmrc'])
        await copyFile(join(repository, file), join(temporary, file))
      const flags = ['--omit=dev', '--os=linux', `--cpu=${cpu}`, '--loglevel=error']
      await runCommand('npm', ['ci', ...flags], { cwd: temporary, signal, deadline: 5 * 60_000 })
      await rename(temporary, known)
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  })
  return program(known)
}
