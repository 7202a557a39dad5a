import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { fillSlotkeeper, nodeLibraries, packImage, slotkeeperConfig } from './local/src/index.ts'
import { projectFolders, root } from './workspace.ts'

type Instruction = { readonly name: string; readonly value: string }
type Stage = readonly Instruction[]

/** The instructions of a Dockerfile by stage; what stands before the first FROM is the stage 0. */
function stagesOf(text: string): readonly Stage[] {
  const lines = text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
  const stages: Instruction[][] = [[]]
  for (const line of lines) {
    const [, name = '', value = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    if (name === 'FROM') stages.push([])
    stages.at(-1)?.push({ name, value: value.trim() })
  }
  return stages
}

const valuesOf = (stage: Stage, name: string): readonly string[] =>
  stage.filter((one) => one.name === name).map((one) => one.value)

/** Those that are bundled: the others can't be started yet. */
const apps = projectFolders()
  .filter((folder) => folder.startsWith('apps/') && existsSync(join(root, folder, 'src/main.ts')))
  .map((folder) => folder.slice(5))
const [before = [], build = [], image = []] = stagesOf(readFileSync(join(root, 'Dockerfile'), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'slotkeeper-dockerfile-'))
let packed: {
  readonly Env: readonly string[]
  readonly Entrypoint: readonly string[]
  readonly User: string
  readonly WorkingDir: string
  readonly Cmd?: unknown
}
let files: readonly string[]

/** Packs the image as the local platform does, with short stand-ins for Node, libraries and bundles. */
beforeAll(async () => {
  const [libraries, filled, unpacked] = ['libraries', 'filled', 'unpacked'].map((name) => join(folder, name))
  for (const one of [`${libraries}/usr/lib/any/gconv`, `${libraries}/usr/share/gdb`, `${filled}`, `${unpacked}`])
    mkdirSync(one, { recursive: true })
  for (const file of ['usr/lib/any/libc.so.6', 'usr/lib/any/gconv/IBM037.so', 'usr/share/gdb/a.py'])
    writeFileSync(join(libraries ?? '', file), file)
  const bundle = join(folder, 'main.mjs')
  writeFileSync(bundle, 'bundle')
  const bundles = new Map(apps.map((app) => [`${app}.mjs`, bundle]))
  await fillSlotkeeper(filled ?? '', { libraries: libraries ?? '', node: bundle, bundles })
  const archive = join(folder, 'image.tar')
  await packImage({ name: 'a:b', root: filled ?? '', config: slotkeeperConfig }, archive, AbortSignal.timeout(30_000))
  execFileSync('tar', ['-C', unpacked ?? '', '-xf', archive])
  packed = JSON.parse(readFileSync(join(unpacked ?? '', 'config.json'), 'utf8')).config
  const listed = execFileSync('tar', ['-tf', join(unpacked ?? '', 'layer.tar')], { encoding: 'utf8' })
  files = listed.split('\n').filter((name) => name !== '' && !name.endsWith('/'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the image of a release', () => {
  test('holds what tools/fill-image.ts fills, for the architecture that is asked for, and nothing else', () => {
    expect(valuesOf(build, 'RUN')).toEqual(['make bundle', 'node tools/fill-image.ts /image ${TARGETARCH}'])
    expect(valuesOf(image, 'FROM')).toEqual(['scratch'])
    expect(valuesOf(image, 'COPY')).toEqual(['--from=build /image /'])
    expect([...valuesOf(image, 'ADD'), ...valuesOf(image, 'RUN')]).toEqual([])
  })

  test('starts as the image of the local platform does', () => {
    expect(valuesOf(image, 'ENV')).toEqual(packed.Env)
    expect(valuesOf(image, 'ENTRYPOINT')).toEqual([JSON.stringify(packed.Entrypoint).replaceAll(',', ', ')])
    expect(valuesOf(image, 'WORKDIR')).toEqual([packed.WorkingDir])
    expect(valuesOf(image, 'USER')).toEqual([packed.User])
    expect([...valuesOf(image, 'CMD'), ...valuesOf(image, 'VOLUME')]).toEqual([])
    expect(packed.Cmd).toBeUndefined()
  })

  test('runs as nobody in particular, by number', () => {
    expect(packed.User).toMatch(/^[1-9]\d+:[1-9]\d+$/)
  })

  test('is built on the Node and the Debian that it holds', () => {
    const { optionalDependencies: node } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      readonly optionalDependencies: Readonly<Record<string, string>>
    }
    const majors = Object.values(node).map((version) => version.split('.')[0])
    expect(new Set(majors).size).toBe(1)
    expect(valuesOf(before, 'ARG')).toEqual([`BUILDER=node:${majors[0]}-${nodeLibraries.suite}`])
    expect(valuesOf(build, 'FROM')).toEqual(['--platform=$BUILDPLATFORM ${BUILDER} AS build'])
  })

  test('says the version of the package', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string }
    expect(valuesOf(image, 'ARG')).toContain(`VERSION=${version}`)
  })
})

describe('the image that is packed', () => {
  test('has one bundle for each app, and no file that nobody reads', () => {
    expect(files.toSorted()).toEqual(
      [
        ...apps.map((app) => `./app/${app}.mjs`),
        './etc/group',
        './etc/passwd',
        './usr/lib/any/libc.so.6',
        './usr/local/bin/node',
      ].toSorted(),
    )
  })

  // The agent is started in Jobs, which a controller makes.
  test.each(apps.filter((app) => app !== 'agent'))('%s: the Deployment starts its bundle, as the same user', (app) => {
    const { spec } = parse(readFileSync(join(root, `deploy/base/${app}.yaml`), 'utf8')).spec.template
    expect(spec.containers.map((one: { readonly command: unknown }) => one.command)).toEqual([
      [...packed.Entrypoint, `${packed.WorkingDir}/${app}.mjs`],
    ])
    expect(`${spec.securityContext.runAsUser}:${spec.securityContext.runAsGroup}`).toBe(packed.User)
    expect(files).toContain(`./app/${app}.mjs`)
  })
})

test('the build sees its sources, and neither what was built here nor what git or a person keeps', () => {
  const [everything, ...rest] = readFileSync(join(root, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  expect(everything).toBe('*')
  expect(rest.filter((line) => !line.startsWith('!'))).toEqual(['**/node_modules', '**/dist'])
  const seen = rest.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
  expect(seen).toEqual(expect.arrayContaining(['apps', 'libs', 'tools', 'Makefile', 'package-lock.json', '.npmrc']))
  expect(seen.filter((name) => name.startsWith('.') && name !== '.npmrc')).toEqual([])
})
