import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { cacheDirectory } from '../cache-directory.ts'
import { pauseImage, slotkeeperImage, type PackedImage } from '../images.ts'
import { runCommand } from '../run-command.ts'
import type { CompleteToolchain } from '../toolchain.ts'
import { containerdToml } from './node-files.ts'
import { ProcessGroup } from './process-group.ts'
import { waitUntil } from './wait-until.ts'

const kept = 4

const folderOf = (images: readonly PackedImage[], tools: CompleteToolchain): string => {
  const parts = [
    tools.containerd,
    String(process.getuid?.()),
    process.env['SLOTKEEPER_USER_NAMESPACE'] ?? '',
    ...images.map(({ file }) => basename(file)),
  ]
  return join(cacheDirectory(), 'templates', createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12))
}

/** Copies a store of containerd: content and layers never change and are linked, the databases are copied. */
export async function copyTemplate(from: string, to: string, signal: AbortSignal): Promise<void> {
  const script =
    'cp -al "$1/." "$2" && cd "$2" && find . -name "*.db" | while read -r f; do cp "$f" "$f.own" && mv "$f.own" "$f"; done'
  await mkdir(to, { recursive: true })
  await runCommand('sh', ['-c', script, 'copy', from, to], { signal })
}

async function importInto(
  store: string,
  images: readonly PackedImage[],
  tools: CompleteToolchain,
  signal: AbortSignal,
): Promise<void> {
  const folder = await mkdtemp('/run/importer-')
  const group = new ProcessGroup(() => undefined)
  const configuration = join(folder, 'containerd.toml')
  const text = containerdToml({ folder, shim: tools.shim, runcWrapper: tools.runcWrapper, pauseImage })
  await writeFile(configuration, text)
  const socket = join(folder, 'c.sock')
  const ctr = (...args: string[]): Promise<string> =>
    runCommand(tools.ctr, ['-a', socket, '-n', 'k8s.io', ...args], { signal, deadline: 120_000 })
  try {
    group.start('importer', join(folder, 'log'), tools.containerd, ['--config', configuration, '--root', store])
    await waitUntil('containerd that imports', 20_000, signal, async () => (await ctr('version')) !== '')
    await Promise.all(
      images.map(({ file }) =>
        ctr('images', 'import', '--platform', `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`, file),
      ),
    )
  } finally {
    await group.stop('importer')
  }
}

async function makeTemplate(
  target: string,
  base: string | undefined,
  images: readonly PackedImage[],
  tools: CompleteToolchain,
  signal: AbortSignal,
): Promise<void> {
  if (existsSync(target)) return
  await mkdir(join(cacheDirectory(), 'templates'), { recursive: true })
  const temporary = await mkdtemp(join(cacheDirectory(), 'templates', '.importing-'))
  try {
    if (base !== undefined) await copyTemplate(base, temporary, signal)
    await importInto(temporary, images, tools, signal)
    await rename(temporary, target).catch((error: unknown) => {
      // Another platform that starts now may have made the same one.
      if (!existsSync(target)) throw error
    })
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

async function removeOld(current: readonly string[]): Promise<void> {
  const parent = join(cacheDirectory(), 'templates')
  const all = (await readdir(parent)).filter((name) => !name.startsWith('.')).map((name) => join(parent, name))
  const dated = await Promise.all(all.map(async (path) => ({ path, time: (await stat(path)).ctimeMs })))
  const old = dated
    .toSorted((a, b) => b.time - a.time)
    .slice(kept)
    .map(({ path }) => path)
  for (const path of old) if (!current.includes(path)) await rm(path, { recursive: true, force: true })
}

/**
 * Gives a store of containerd that holds all images, made once per set of images: importing costs most of a second
 * per image and node. The image of our own apps changes often, so it is added to a template of the others.
 */
export async function ensureTemplate(
  images: readonly PackedImage[],
  tools: CompleteToolchain,
  signal: AbortSignal,
): Promise<string> {
  const others = images.filter(({ name }) => name !== slotkeeperImage)
  const base = folderOf(others, tools)
  const full = folderOf(images, tools)
  if (existsSync(full)) return full
  await makeTemplate(base, undefined, others, tools, signal)
  await makeTemplate(
    full,
    base,
    images.filter(({ name }) => name === slotkeeperImage),
    tools,
    signal,
  )
  await removeOld([base, full])
  return full
}
