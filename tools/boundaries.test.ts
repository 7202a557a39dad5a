import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, posix } from 'node:path'
import { expect, test } from 'vitest'
import { appFiles, doors, exampleAt, mayImport, places, testsMayImport } from './rings.ts'
import type { Place } from './rings.ts'
import { importsOf, isTestFile, projectFolders, readSources, root } from './workspace.ts'
import type { Source } from './workspace.ts'

type Manifest = {
  readonly name: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly nx?: { readonly tags?: readonly string[] }
}
type Project = { readonly folder: string; readonly place: Place | undefined; readonly manifest: Manifest }

const manifestIn = (folder: string) => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest
const rootManifest = manifestIn('.')
const projects: readonly Project[] = projectFolders().map((folder) => ({
  folder,
  place: places[folder] ?? (folder.startsWith('examples/') ? exampleAt : undefined),
  manifest: manifestIn(folder),
}))
const sources = readSources(['.ts']).filter((source) => source.path.includes('/'))
const paths = new Set(sources.map((source) => source.path))

const matches = (pattern: string, name: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name
const packageOf = (specifier: string): string => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')

/** Everything wrong with the imports of one file. */
function offencesOf(source: Source): string[] {
  const project = projects.find(({ folder }) => source.path.startsWith(`${folder}/`))
  if (project?.place === undefined) return [`${source.path}: its project has no place in rings.ts`]
  const { place } = project
  return importsOf(source.text).flatMap(({ specifier, literal }) => {
    const offence = literal
      ? judge(source.path, specifier, { ...project, place })
      : 'a dynamic import without a literal'
    return offence === null ? [] : [`${source.path}: ${offence}`]
  })
}

function judge(path: string, specifier: string, project: Project & { readonly place: Place }): string | null {
  if (specifier.startsWith('.')) return judgeRelative(path, specifier, project.folder)
  if (isBuiltin(specifier)) return judgeBuiltin(path, specifier, project.folder, project.place)
  if (specifier.startsWith('@slotkeeper/')) return judgeProject(path, specifier, project)
  return judgePackage(path, specifier, project)
}

function judgeRelative(path: string, specifier: string, folder: string): string | null {
  const target = posix.join(posix.dirname(path), specifier)
  if (!target.startsWith(`${folder}/`)) return `${specifier} leaves the project`
  if (!isTestFile(path) && isTestFile(target)) return `${specifier} is a test's`
  if (target.endsWith('.json')) return null
  return paths.has(target) ? null : `${specifier} does not name a file`
}

function judgeBuiltin(path: string, specifier: string, folder: string, place: Place): string | null {
  if (!specifier.startsWith('node:')) return `${specifier} lacks its node: prefix`
  if (isTestFile(path)) return null
  const atTheEdge = place.ring === 'app' && (appFiles['node:*'] ?? []).includes(path.slice(folder.length + 1))
  if (atTheEdge || place.builtins.some((pattern) => matches(pattern, specifier))) return null
  return `${specifier} is not for ${folder}`
}

function judgeProject(path: string, specifier: string, { folder, place, manifest }: Project & { place: Place }) {
  const target = projects.find((project) => project.manifest.name === specifier)
  if (target?.place === undefined) return `${specifier} is no project's one door`
  const isCommon = target.place.ring === 'test' && isTestFile(path)
  if (!isCommon && !isDeclared(path, specifier, manifest)) return `${specifier} is not declared in package.json`
  const rings =
    isTestFile(path) && place.ring !== 'core' ? [...mayImport[place.ring], ...testsMayImport] : mayImport[place.ring]
  const allowed = isTestFile(path) && target.place.ring === 'test' ? true : rings.includes(target.place.ring)
  if (!allowed) return `${place.ring} may not import ${target.place.ring} (${specifier})`
  if (place.uses !== undefined && !isTestFile(path) && !place.uses.includes(target.folder))
    return `${specifier} is not for ${folder}`
  return null
}

function judgePackage(path: string, specifier: string, { folder, place, manifest }: Project & { place: Place }) {
  const name = packageOf(specifier)
  const door = Object.entries(doors).find(([pattern]) => matches(pattern, name))
  if (door !== undefined && !door[1].includes(folder)) return `${name} has its door in ${door[1].join(', ')}`
  if (!isDeclared(path, name, manifest)) return `${name} is not declared in package.json`
  if (isTestFile(path)) return null
  if (!place.npm.some((pattern) => matches(pattern, name))) return `${name} is not for ${folder}`
  const files = place.ring === 'app' ? appFiles[name] : undefined
  return files === undefined || files.includes(path.slice(folder.length + 1))
    ? null
    : `${name} only in ${files.join(', ')}`
}

/** Tests and tools may also lean on what the root brings for everybody's development, as tests may on the test ring. */
function isDeclared(path: string, name: string, manifest: Manifest): boolean {
  if (name in (manifest.dependencies ?? {})) return true
  const forDevelopment = { ...manifest.devDependencies, ...rootManifest.devDependencies }
  return (isTestFile(path) || path.startsWith('tools/')) && name in forDevelopment
}

test('every project has a place, and says the same of itself', () => {
  expect(projects.filter(({ place }) => place === undefined).map(({ folder }) => folder)).toEqual([])
  for (const { folder, place, manifest } of projects) {
    expect(manifest.nx?.tags, folder).toEqual([`ring:${place?.ring}`])
  }
  expect(projects.length).toBeGreaterThanOrEqual(Object.keys(places).length)
})

test('every import stays inside the rings', () => {
  expect(sources.flatMap(offencesOf)).toEqual([])
})

test('it saw the sources', () => {
  const imports = sources.flatMap((source) => importsOf(source.text))
  expect(sources.length).toBeGreaterThan(80)
  expect(imports.length).toBeGreaterThan(250)
  const across = new Set(imports.map(({ specifier }) => specifier).filter((name) => name.startsWith('@slotkeeper/')))
  expect(across.size).toBeGreaterThanOrEqual(4)
})

// In two parts, so that this file does not offend itself.
const dynamic = `await ${'import'}`

test.each([
  ['a package through the wrong door', 'libs/controller/src/queue.ts', `import Redis from 'ioredis'`, 'its door'],
  [
    'a type through the wrong door',
    'apps/cluster-controller/src/act.ts',
    `import type { Logger } from 'pino'`,
    'its door',
  ],
  ['a dynamic import', 'libs/api/src/crd.ts', `const k = ${dynamic}('@kubernetes/client-node')`, 'its door'],
  ['a dynamic import of something', 'libs/api/src/crd.ts', `const k = ${dynamic}(name)`, 'without a literal'],
  ['an undeclared package', 'libs/api/src/crd.ts', `export * from 'lodash'`, 'not declared'],
  ['a package of the root', 'libs/api/src/crd.ts', `import 'yaml'`, 'not declared'],
  ['a built-in in core', 'libs/events/src/fold.ts', `import { readFileSync } from 'node:fs'`, 'not for libs/events'],
  ['a built-in without its prefix', 'libs/k8s/src/lease.ts', `import os from 'os'`, 'prefix'],
  ['an undeclared project', 'libs/redis-client/src/index.ts', `import { x } from '@slotkeeper/k8s'`, 'not declared'],
  [
    'a deep import',
    'apps/cluster-controller/src/act.ts',
    `import { x } from '@slotkeeper/k8s/src/lease.ts'`,
    'one door',
  ],
  [
    'a way around the door',
    'libs/nats/src/index.ts',
    `import { x } from '../../k8s/src/lease.ts'`,
    'leaves the project',
  ],
  [
    'a test in the product',
    'libs/controller/src/queue.ts',
    `import { World } from '../test/in-memory-world.ts'`,
    `a test's`,
  ],
  ['zod beside config.ts', 'apps/cluster-controller/src/act.ts', `import { z } from 'zod'`, 'only in src/config.ts'],
  ['several lines', 'libs/api/src/crd.ts', `import {\n  a,\n  type B,\n} from 'xstate'`, 'its door'],
  ['a file that is not there', 'libs/api/src/crd.ts', `import { a } from './gone.ts'`, 'does not name a file'],
  ['a project nobody placed', 'libs/stray/src/a.ts', ``, 'no place'],
])('a planted offence is found: %s', (_what, path, text, message) => {
  expect(offencesOf({ path, text })).toEqual([expect.stringContaining(message)])
})

test('a ring that may not be imported is named, where it is declared', () => {
  const names = ['nats', 'testing', 'controller-host', 'cluster-controller']
  const dependencies = Object.fromEntries(names.map((name) => [`@slotkeeper/${name}`, '0.1.0']))
  const manifest = { name: 'x', dependencies }
  const inRuntime = { folder: 'libs/controller', place: places['libs/controller'] as Place, manifest }
  const inHost = { folder: 'libs/controller-host', place: places['libs/controller-host'] as Place, manifest }
  expect(judge('libs/controller/src/a.ts', '@slotkeeper/controller-host', inRuntime)).toContain('may not import host')
  expect(judge('libs/controller-host/src/a.ts', '@slotkeeper/cluster-controller', inHost)).toContain(
    'may not import app',
  )
  const inCore = { folder: 'libs/api', place: places['libs/api'] as Place, manifest }
  const inAdapter = { folder: 'libs/k8s', place: places['libs/k8s'] as Place, manifest }
  expect(judge('libs/api/src/a.ts', '@slotkeeper/nats', inCore)).toContain('core may not import adapter')
  expect(judge('libs/k8s/src/a.ts', '@slotkeeper/nats', inAdapter)).toContain('adapter may not import adapter')
  expect(judge('libs/k8s/src/a.ts', '@slotkeeper/testing', inAdapter)).toContain('adapter may not import test')
  expect(judge('libs/k8s/src/a.test.ts', '@slotkeeper/testing', inAdapter)).toBe(null)
})
