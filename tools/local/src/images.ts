import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDirectory } from './cache-directory.ts'
import { ownArchitecture } from './architecture.ts'
import { ensureDebianRoot } from './debian-root.ts'
import { packImage, type ImageContent } from './image-archive.ts'
import { familyOf, serverRoots, type ServerName } from './servers.ts'
import { fillSlotkeeper, slotkeeperConfig, slotkeeperParts } from './slotkeeper-image.ts'
import { step, type Log } from './step-log.ts'
import type { CompleteToolchain } from './toolchain.ts'
import { writeUsers } from './write-users.ts'

/** An image that is packed, and where. */
export type PackedImage = { readonly name: string; readonly file: string }

/** Names of the images of servers, as the product uses them. */
export const serverImages: Readonly<Record<ServerName, string>> = {
  'redis-7.0': 'docker.io/library/redis:7.0',
  'redis-8.0': 'docker.io/library/redis:8.0',
  'valkey-8.1': 'docker.io/valkey/valkey:8.1',
  'valkey-9.1': 'docker.io/valkey/valkey:9.1',
}

/** The image of the sandbox that holds a pod's namespaces. */
export const pauseImage = 'registry.k8s.io/pause:3.10'

/** The image of NATS. */
export const natsImage = 'docker.io/library/nats:2.15'

/** The image of an S3 server with the bucket `backups`; what is stored in it goes with its pod. */
export const s3Image = 'docker.io/versity/versitygw:v1.8.0'

/** The image of all apps of Slotkeeper. */
export const slotkeeperImage = 'ghcr.io/slotkeeper/slotkeeper:dev'

const recipe = '4'
const keptBuilds = 3

type Recipe = {
  readonly name: string
  /** All that the content depends on. */
  readonly key: string
  readonly fill: (root: string) => Promise<Omit<ImageContent, 'name' | 'root'>>
}

async function pack(image: Recipe, log: Log, signal: AbortSignal): Promise<PackedImage> {
  const key = createHash('sha256').update(`${recipe} ${image.name} ${image.key}`).digest('hex').slice(0, 12)
  const file = join(cacheDirectory(), 'images', `${image.name.replaceAll(/[^a-z0-9.]+/g, '-')}-${key}.tar`)
  if (existsSync(file)) return { name: image.name, file }
  await step(log, `pack ${image.name}`, async () => {
    await mkdir(join(cacheDirectory(), 'images'), { recursive: true })
    const root = await mkdtemp(join(cacheDirectory(), 'images', '.root-'))
    try {
      await chmod(root, 0o755)
      await packImage({ name: image.name, root, ...(await image.fill(root)) }, file, signal)
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  })
  return { name: image.name, file }
}

// As the official images do: arguments alone are arguments of the server.
const entrypointOf = (server: string): string =>
  `#!/bin/sh\nset -e\nif [ "\${1#-}" != "$1" ] || [ "\${1%.conf}" != "$1" ]; then set -- ${server} "$@"; fi\nexec "$@"\n`

async function serverImage(name: ServerName, log: Log, signal: AbortSignal): Promise<PackedImage> {
  const source = await ensureDebianRoot(serverRoots[name], log, signal)
  const fill: Recipe['fill'] = async (root) => {
    await cp(source, root, { recursive: true, verbatimSymlinks: true })
    await writeUsers(root, familyOf(name), 999)
    await symlink('mawk', join(root, 'usr/bin/awk')).catch(() => undefined)
    for (const folder of ['data', 'proc', 'sys', 'dev', 'usr/local/bin'])
      await mkdir(join(root, folder), { recursive: true })
    await writeFile(join(root, 'usr/local/bin/docker-entrypoint.sh'), entrypointOf(`${familyOf(name)}-server`), {
      mode: 0o755,
    })
    return {
      config: {
        entrypoint: ['docker-entrypoint.sh'],
        command: [`${familyOf(name)}-server`],
        workingDirectory: '/data',
      },
      owned: { data: 999 },
    }
  }
  return pack({ name: serverImages[name], key: source, fill }, log, signal)
}

const pauseRecipe = (tools: CompleteToolchain): Recipe => ({
  name: pauseImage,
  key: tools.pause,
  fill: async (root) => {
    await copyFile(tools.pause, join(root, 'pause'))
    return { config: { entrypoint: ['/pause'], user: '65535:65535' } }
  },
})

const natsRecipe = (tools: CompleteToolchain): Recipe => ({
  name: natsImage,
  key: tools.natsServer,
  fill: async (root) => {
    await mkdir(join(root, 'usr/local/bin'), { recursive: true })
    await copyFile(tools.natsServer, join(root, 'nats-server'))
    await symlink('/nats-server', join(root, 'usr/local/bin/nats-server'))
    await writeUsers(root, 'nats', 1000)
    await writeFile(join(root, 'nats-server.conf'), 'port: 4222\nmonitor_port: 8222\n')
    return { config: { entrypoint: ['/nats-server'], command: ['--config', '/nats-server.conf'] } }
  },
})

const s3Recipe = (tools: CompleteToolchain): Recipe => ({
  name: s3Image,
  key: tools.versitygw,
  fill: async (root) => {
    await copyFile(tools.versitygw, join(root, 'versitygw'))
    // A folder is a bucket. Metadata beside the objects: not every file system of a container has attributes.
    for (const folder of ['storage/data/backups', 'storage/meta', 'tmp'])
      await mkdir(join(root, folder), { recursive: true })
    const command = ['--port', ':7070', '--quiet', 'posix', '--sidecar', '/storage/meta', '/storage/data']
    return { config: { entrypoint: ['/versitygw'], command }, owned: { storage: 999 } }
  },
})

async function slotkeeperRecipe(log: Log, signal: AbortSignal): Promise<Recipe> {
  const parts = await slotkeeperParts(ownArchitecture(), log, signal)
  const hash = createHash('sha256').update(`${parts.libraries} ${process.version}`)
  for (const [name, file] of parts.bundles) hash.update(name).update(await readFile(file))
  return {
    name: slotkeeperImage,
    key: hash.digest('hex'),
    fill: async (root) => {
      await fillSlotkeeper(root, parts)
      return { config: slotkeeperConfig }
    },
  }
}

/** Packs the image of Slotkeeper's apps from the bundles as they are now. */
export async function packSlotkeeper(log: Log, signal: AbortSignal): Promise<PackedImage> {
  const image = await pack(await slotkeeperRecipe(log, signal), log, signal)
  await removeOldBuilds(image.file)
  return image
}

/** Every change of a bundle makes an image: the latest few are enough. One that was just packed may be in use elsewhere. */
async function removeOldBuilds(current: string): Promise<void> {
  const folder = join(cacheDirectory(), 'images')
  const files = (await readdir(folder))
    .filter((name) => name.includes('slotkeeper-slotkeeper'))
    .map((name) => join(folder, name))
  const dated = await Promise.all(
    files.map(async (file) => ({ file, time: (await stat(file).catch(() => undefined))?.mtimeMs ?? 0 })),
  )
  const old = dated.toSorted((a, b) => b.time - a.time).slice(keptBuilds)
  for (const { file, time } of old) if (file !== current && Date.now() - time > 600_000) await rm(file, { force: true })
}

/** Packs every image that isn't packed yet: the sandbox's first. */
export async function ensureImages(
  tools: CompleteToolchain,
  log: Log,
  signal: AbortSignal,
): Promise<readonly PackedImage[]> {
  const images = [await pack(pauseRecipe(tools), log, signal)]
  for (const name of Object.keys(serverRoots)) images.push(await serverImage(name as ServerName, log, signal))
  images.push(await pack(natsRecipe(tools), log, signal), await pack(s3Recipe(tools), log, signal))
  images.push(await packSlotkeeper(log, signal))
  return images
}
