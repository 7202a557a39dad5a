import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDirectory } from './cache-directory.ts'
import { runCommand } from './run-command.ts'
import { step, type Log } from './step-log.ts'

/** Something built from a Go module in `tools/local/go`. */
export type GoBuild = {
  readonly module: string
  /** Packages to build; the module's own `main` when empty. */
  readonly packages: readonly string[]
  /** Names of the files that come out. */
  readonly outputs: readonly string[]
  readonly tags?: string
  readonly ldflags?: string
  readonly expected: string
}

const kubernetesVersion = 'v1.36.3'
const version = 'k8s.io/component-base/version'

/** All that is built from source, by name. */
export const goBuilds = {
  kube: {
    module: 'kubernetes',
    packages: [],
    outputs: ['kube'],
    ldflags: `-X ${version}.gitVersion=${kubernetesVersion} -X ${version}.gitMajor=1 -X ${version}.gitMinor=36`,
    expected: '4-5 min cold',
  },
  containerd: {
    module: 'containerd',
    packages: ['containerd', 'containerd-shim-runc-v2', 'ctr'].map(
      (name) => `github.com/containerd/containerd/v2/cmd/${name}`,
    ),
    outputs: ['containerd', 'containerd-shim-runc-v2', 'ctr'],
    tags: 'no_btrfs,no_devmapper,no_zfs',
    expected: 'about 1 min cold',
  },
  coredns: { module: 'coredns', packages: [], outputs: ['coredns'], expected: 'about 1 min cold' },
  natsServer: {
    module: 'nats-server',
    packages: ['github.com/nats-io/nats-server/v2'],
    outputs: ['nats-server'],
    expected: '20 s cold',
  },
  versitygw: {
    module: 'versitygw',
    packages: ['github.com/versity/versitygw/cmd/versitygw'],
    outputs: ['versitygw'],
    expected: 'about 1 min cold',
  },
  pause: { module: 'pause', packages: [], outputs: ['pause'], expected: '5 s' },
  runcWrapper: { module: 'runc-without-cgroups', packages: [], outputs: ['runc-without-cgroups'], expected: '5 s' },
} as const satisfies Record<string, GoBuild>

/** The name of something built from source. */
export type GoBuildName = keyof typeof goBuilds

/** The version of the Go on PATH, as `1.26.8`; throws with what to do when there is none that builds this. */
export async function goVersion(signal?: AbortSignal): Promise<string> {
  const said = await runCommand('go', ['version'], signal === undefined ? {} : { signal }).catch(() => '')
  const [, version = '', minor = '0'] = /\bgo(1\.(\d+)\S*)/.exec(said) ?? []
  if (Number(minor) < 26)
    throw new Error(
      `Go is ${version === '' ? 'missing' : version}. Remedy: install Go 1.26 or newer, and put it on PATH`,
    )
  return version
}

async function fingerprint(build: GoBuild, source: string): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(build)).update(process.arch)
  for (const name of (await readdir(source)).filter((file) => /\.(go|mod|sum)$/.test(file)).toSorted()) {
    hash.update(name).update(await readFile(join(source, name)))
  }
  return hash.digest('hex').slice(0, 12)
}

/** Builds what is not in the cache yet and gives the folder of its files. */
export async function ensureGoBuild(name: GoBuildName, log: Log, signal: AbortSignal): Promise<string> {
  const build: GoBuild = goBuilds[name]
  const source = join(import.meta.dirname, '..', 'go', build.module)
  const target = join(cacheDirectory(), 'go', `${build.module}-${await fingerprint(build, source)}`)
  if (existsSync(target)) return target
  await goVersion(signal)
  await step(log, `build ${name} (${build.expected})`, async (progress) => {
    await mkdir(join(cacheDirectory(), 'go'), { recursive: true })
    const temporary = await mkdtemp(join(cacheDirectory(), 'go', '.building-'))
    try {
      const output = build.packages.length > 1 ? `${temporary}/` : join(temporary, build.outputs[0] ?? name)
      const tags = build.tags === undefined ? [] : ['-tags', build.tags]
      const args = [
        'build',
        '-trimpath',
        ...tags,
        '-ldflags',
        `-s -w ${build.ldflags ?? ''}`.trim(),
        '-o',
        output,
        ...build.packages,
      ]
      await runCommand('go', args, {
        cwd: source,
        env: { CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false', GOWORK: 'off' },
        deadline: 30 * 60_000,
        signal,
        onLine: progress,
      })
      await rename(temporary, target)
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  })
  return target
}
