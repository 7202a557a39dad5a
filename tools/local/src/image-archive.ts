import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { runCommand } from './run-command.ts'

/** What an image's processes start with. */
export type ImageConfig = {
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  readonly user?: string
  readonly workingDirectory?: string
  readonly environment?: readonly string[]
}

/** An image to pack: a root folder, folders in it that belong to somebody else than root, a name. */
export type ImageContent = {
  readonly name: string
  readonly root: string
  readonly config: ImageConfig
  /** Folders that belong to a user, by number. */
  readonly owned?: Readonly<Record<string, number>>
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of createReadStream(file)) hash.update(part as Buffer)
  return hash.digest('hex')
}

/** Packs a docker-archive: a tar of a manifest, a configuration and one layer. No engine is needed. */
export async function packImage(image: ImageContent, target: string, signal: AbortSignal): Promise<void> {
  await mkdir(dirname(target), { recursive: true })
  const work = await mkdtemp(join(dirname(target), '.packing-'))
  try {
    const layer = join(work, 'layer.tar')
    const owned = Object.entries(image.owned ?? {})
    const steady = ['--sort=name', '--numeric-owner', '--mtime=@0', '-C', image.root]
    const excluded = owned.map(([folder]) => `--exclude=./${folder}`)
    await runCommand('tar', ['--owner=0', '--group=0', ...excluded, ...steady, '-cf', layer, '.'], { signal })
    for (const [folder, user] of owned) {
      await runCommand('tar', [`--owner=${user}`, `--group=${user}`, ...steady, '-rf', layer, `./${folder}`], {
        signal,
      })
    }
    const { entrypoint, command, user, workingDirectory, environment } = image.config
    const config = {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config: {
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...(environment ?? [])],
        ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
        ...(command === undefined ? {} : { Cmd: command }),
        ...(user === undefined ? {} : { User: user }),
        WorkingDir: workingDirectory ?? '/',
      },
      rootfs: { type: 'layers', diff_ids: [`sha256:${await sha256(layer)}`] },
    }
    await writeFile(join(work, 'config.json'), JSON.stringify(config))
    await writeFile(
      join(work, 'manifest.json'),
      JSON.stringify([{ Config: 'config.json', RepoTags: [image.name], Layers: ['layer.tar'] }]),
    )
    await runCommand('tar', ['-C', work, '-cf', join(work, 'image.tar'), 'manifest.json', 'config.json', 'layer.tar'], {
      signal,
    })
    await rename(join(work, 'image.tar'), target)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
