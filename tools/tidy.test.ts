import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { places } from './rings.ts'
import { importsOf, isTestFile, readSources } from './workspace.ts'
import type { Source } from './workspace.ts'

/** Where the words of the wire are spoken, file by file, and why. A file that no longer needs it must leave the list. */
const wireWords: Readonly<Record<string, string>> = {
  'libs/redis-topology/src/cluster-nodes.ts': 'parses CLUSTER NODES',
  'libs/redis-topology/src/info.ts': 'parses INFO',
  'libs/redis-topology/src/parse.test.ts': 'tests the parsers',
  'libs/redis-topology/src/same-setting.ts': 'knows what CONFIG GET prints',
  'libs/redis-topology/src/same-setting.test.ts': 'knows what CONFIG GET prints',
  'libs/api/src/redis-cluster.ts': 'refuses directives of redis.conf by their old names',
  'deploy/crds/redisclusters.yaml': 'is generated from libs/api',
  'deploy/crds/redisrestores.yaml': 'is generated from libs/api',
  'apps/agent/src/nodes-conf.ts': 'writes a line of nodes.conf',
  'apps/cluster-controller/src/credentials.ts': 'writes directives of redis.conf',
  'apps/cluster-controller/src/resources/scripts.ts': 'carries the scripts below',
  'apps/cluster-controller/src/resources/scripts/start.sh': 'parses CLUSTER NODES',
  'apps/cluster-controller/src/resources/scripts/prestop.sh': 'parses INFO',
  'apps/cluster-controller/src/resources/scripts/probe.sh': 'parses INFO',
  'apps/cluster-controller/test/start.test.ts': 'writes lines of nodes.conf',
  'apps/cluster-controller/test/seed-volume.ts': 'writes lines of nodes.conf',
  'apps/cluster-controller/test/left-volume.test.ts': 'writes lines of nodes.conf',
  'apps/cluster-controller/test/seeded-volume.test.ts': 'writes lines of nodes.conf',
  'libs/controller-host/test/event-writer.ts': 'reads which server of NATS leads the stream',
  'libs/k8s/src/lease.ts': 'the election has its own word',
  'libs/k8s/src/lease-store.ts': 'the election has its own word',
  'libs/k8s/src/resource.ts': 'describes the Lease of the election',
  'libs/k8s/test/lease.test.ts': 'tests the election',
  'libs/nats/src/errors.ts': 'speaks of the election inside a NATS cluster',
  'libs/observability/src/logger.ts': 'redacts a directive of redis.conf',
  'libs/observability/src/metrics.ts': 'names the metric of the election as client-go does',
  'libs/testing/src/kube-apiserver.ts': 'names the group of administrators of Kubernetes',
  'tools/promises/boot-guard.test.ts': 'reads INFO',
  'tools/local/src/inside/control-plane.ts': 'names the group of administrators of Kubernetes',
  'tools/local/src/inside/node.ts': 'calls ip link in its own words',
}

const sources = readSources(['.ts', '.md', '.yaml', '.sh', '.json', 'Makefile', 'Dockerfile'])
const code = sources.filter(({ path }) => path.endsWith('.ts'))

// In parts, so that this file does not offend itself.
const oldWords = new RegExp(['mas' + 'ter', 'sla' + 've', 'lea' + 'der', 'follo' + 'wer'].join('|'), 'i')
const promises = new RegExp(`\\b(${'TO' + 'DO'}|${'FIX' + 'ME'}|${'XX' + 'X'})\\b`)
const suppressions = new RegExp(
  `${'oxlint-' + 'disable'}|${'eslint-' + 'disable'}|@${'ts-'}(ignore|expect-error|nocheck)`,
)
const machinePaths = new RegExp(`(^|[\\s'"\`(=:])/(${'wo' + 'rk'}|${'ho' + 'me'}|${'Us' + 'ers'}|${'ro' + 'ot'})/`, 'm')
const vagueNames = new Set(['util', 'utils', 'helper', 'helpers', 'manager', 'managers', 'common'])

/** Everything untidy about one file, reachability aside. */
function offencesOf({ path, text }: Source): string[] {
  const isCode = path.endsWith('.ts')
  const found = [
    isCode && text.split('\n').length > 400 && 'has 400 lines or more',
    vagueNames.has(posix.basename(path).split('.')[0] ?? '') && 'has a name that says nothing',
    path
      .split('/')
      .slice(0, -1)
      .some((folder) => vagueNames.has(folder)) && 'lies in a folder that says nothing',
    speaksOldWords(path, text) && `says ${oldWords.exec(text)?.[0]}`,
    promises.test(text) && 'promises to be finished later',
    isStrict(path) && suppressions.test(text) && 'silences the linter or the compiler',
    machinePaths.test(text) && `names a path of one machine: ${machinePaths.exec(text)?.[0].trim()}`,
    ...(isStrict(path) ? undocumented(text).map((name) => `exports ${name} without a docstring`) : []),
  ]
  return found.filter((offence) => typeof offence === 'string').map((offence) => `${path}: ${offence}`)
}

/** Core, runtime and host, tests aside. */
function isStrict(path: string): boolean {
  const place = Object.entries(places).find(([folder]) => path.startsWith(`${folder}/src/`))
  return ['core', 'runtime', 'host'].includes(place?.[1].ring ?? '') && path.endsWith('.ts') && !isTestFile(path)
}

function speaksOldWords(path: string, text: string): boolean {
  return !path.endsWith('.json') && wireWords[path] === undefined && oldWords.test(text)
}

/** Names of exported functions, types, classes and constants that no doc comment ends right above. */
function undocumented(text: string): string[] {
  const lines = text.split('\n')
  return lines.flatMap((line, index) => {
    const name = /^export (?:async )?(?:function\*?|type|interface|class|const) (\w+)/.exec(line)?.[1]
    return name === undefined || lines[index - 1]?.endsWith('*/') === true ? [] : [name]
  })
}

/** Files of apps and libs that no index, main or test leads to, by import or as a program that it starts by name. */
function deadFiles(all: readonly Source[]): string[] {
  const files = new Map(all.filter(({ path }) => /^(apps|libs)\//.test(path)).map((source) => [source.path, source]))
  const isRoot = (path: string): boolean => /\/src\/(index|main)\.ts$/.test(path) || path.endsWith('.test.ts')
  const reached = new Set<string>()
  const visit = (path: string): void => {
    const source = files.get(path)
    if (source === undefined || reached.has(path)) return
    reached.add(path)
    const imported = importsOf(source.text).map(({ specifier }) => specifier)
    const started = Array.from(source.text.matchAll(/['"`]([\w./-]+\.ts)['"`]/g), (match) => match[1] ?? '')
    for (const near of [...imported, ...started]) visit(posix.join(posix.dirname(path), near))
  }
  Array.from(files.keys()).filter(isRoot).forEach(visit)
  return Array.from(files.keys()).filter((path) => !reached.has(path))
}

test('every file is tidy', () => {
  expect(sources.filter(({ path }) => path !== 'package-lock.json').flatMap(offencesOf)).toEqual([])
})

test('every file is reached from an index, a main or a test', () => {
  expect(deadFiles(code)).toEqual([])
})

test('the list of wire words holds no file that could do without', () => {
  const needless = Object.keys(wireWords).filter((path) => {
    const text = sources.find((source) => source.path === path)?.text
    return text === undefined || !oldWords.test(text)
  })
  expect(needless).toEqual([])
})

test('it saw the files', () => {
  expect(code.length).toBeGreaterThan(80)
  expect(code.filter(({ path }) => isStrict(path)).length).toBeGreaterThan(25)
  const exported = code.filter(({ path }) => isStrict(path)).flatMap(({ text }) => text.match(/^export (?!\{)/gm) ?? [])
  expect(exported.length).toBeGreaterThan(100)
})

const planted = (word: string) => `/** Words. */\nexport const a = '${word}'\n`

test.each([
  ['an old word', 'libs/api/src/a.ts', planted('lea' + 'derElection'), 'says'],
  ['a promise', 'libs/k8s/src/a.ts', `// ${'TO' + 'DO'}: later`, 'promises'],
  ['a vague file', 'libs/k8s/src/utils.ts', '', 'name that says nothing'],
  ['a vague folder', 'libs/k8s/src/common/lease.ts', '', 'folder that says nothing'],
  ['a suppression in core', 'libs/api/src/a.ts', `// @${'ts-'}ignore`, 'silences'],
  ['a path of a machine', 'deploy/a.yaml', `path: /${'ho' + 'me'}/me/x`, 'one machine'],
  ['a long file', 'apps/x/src/a.ts', '\n'.repeat(400), '400 lines'],
  ['an undocumented function', 'libs/controller/src/a.ts', 'export function a() {}', 'exports a without'],
  ['an undocumented type', 'libs/events/src/a.ts', 'const x = 1\nexport type T = typeof x', 'exports T without'],
])('a planted offence is found: %s', (_what, path, text, message) => {
  expect(offencesOf({ path, text })).toEqual([expect.stringContaining(message)])
})

test('a planted dead file is found, one that only dead files lead to as well', () => {
  const file = (path: string, text = '') => ({ path: `libs/x/src/${path}`, text })
  const files = [
    file('index.ts', `export * from './a.ts'`),
    file('a.ts'),
    file('b.ts', `import './c.ts'`),
    file('c.ts'),
  ]
  expect(deadFiles(files)).toEqual(['libs/x/src/b.ts', 'libs/x/src/c.ts'])
})
