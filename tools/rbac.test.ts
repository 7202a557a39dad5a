import * as k8s from '@slotkeeper/k8s'
import { describe, expect, test } from 'vitest'
import {
  BACKUP_CONTROLLER_RULES,
  CLUSTER_CONTROLLER_RULES,
  NODES_RULES,
  OWN_NAMESPACE_RULES,
  OWN_POD_RULES,
  RESTORE_CONTROLLER_RULES,
} from './rbac.ts'
import { readSources } from './workspace.ts'

/*
 * What a controller is allowed is what it does: each call of the door to Kubernetes is found in the sources, with the
 * resource that it names, and compared with what is granted, both ways.
 */
const CALL = /\bobjects\s*\.(get|list|create|apply|patch|patchStatus|delete)\(\s*(\w+)/g
const FOLLOWED = /\b(?:watch\(|resource:\s*)(\w+)/g
const VERBS: Readonly<Record<string, readonly string[]>> = {
  apply: ['create', 'patch'],
  patchStatus: ['patch'],
  followed: ['list', 'watch'],
}
const CLUSTERS = 'apps/cluster-controller/src/'
const BACKUPS = 'apps/backup-controller/src/'
const RESTORES = 'apps/restore-controller/src/'
/** What the apps that start agents have in common. */
const AGENTS = 'libs/agents/src/'
const HOST = 'libs/controller-host/src/'
const sources = readSources(['.ts']).filter(({ path }) => !path.endsWith('.test.ts'))

/** The kinds of an app's process: what it makes a kind of is listed, read and written by host and status writer. */
const kindsOf = (app: string): readonly string[] =>
  sources
    .filter(({ path }) => path.startsWith(app))
    .flatMap(({ text }) => [...text.matchAll(/\bkindOf\b[^(]*\(\{\s*resource: (\w+)/g)].map(([, name = '']) => name))

const OWNED = ['statefulSets', 'services', 'configMaps', 'podDisruptionBudgets']
/** What stands for a parameter `resource`, by the file that has it. */
const meantBy = (app: string): Readonly<Record<string, readonly string[]>> => ({
  [`${CLUSTERS}act-on-kubernetes.ts`]: OWNED,
  [`${CLUSTERS}caches.ts`]: OWNED,
  [`${HOST}list-kinds.ts`]: kindsOf(app),
  [`${HOST}set-finalizer.ts`]: kindsOf(app),
  'libs/k8s/src/status-writer.ts': kindsOf(app),
})
/** The door itself, and the way through it for whatever is asked for. */
const DOOR = /^libs\/k8s\/src\/(objects|list-watch|[a-z-]*reflector)\.ts$/
/** These work in the controller's own namespace, whatever it watches. */
const OWN = ['libs/k8s/src/spills.ts', 'libs/k8s/src/lease-store.ts']
const BOTH = ['libs/k8s/src/recorder.ts']

type Used = { readonly path: string; readonly right: string }

function rightOf(name: string, verb: string, status: boolean): string {
  const resource = (k8s as unknown as Readonly<Record<string, k8s.ResourceDescriptor>>)[name]
  if (resource === undefined) throw new Error(`${name} is no resource of libs/k8s`)
  return `${resource.group}/${resource.plural}${status ? '/status' : ''}: ${verb}`
}

function usedIn(meant: ReturnType<typeof meantBy>, path: string, text: string): readonly Used[] {
  const calls = [...text.matchAll(CALL)].map(([, verb = '', name = '']) => ({ verb, name }))
  const isFollowing = /\bstart\w*Reflector\b/.test(text)
  const followed = isFollowing ? [...text.matchAll(FOLLOWED)].map(([, name = '']) => ({ verb: 'followed', name })) : []
  return [...calls, ...followed].flatMap(({ verb, name }) =>
    (name === 'resource' ? (meant[path] ?? [name]) : [name])
      .filter((one) => one !== 'ResourceDescriptor')
      .flatMap((one) =>
        (VERBS[verb] ?? [verb]).map((each) => ({ path, right: rightOf(one, each, verb === 'patchStatus') })),
      ),
  )
}

/** Every right that a process of this app uses, and where. */
const usedBy = (app: string): readonly Used[] =>
  sources
    .filter(({ path }) =>
      [app, HOST, 'libs/k8s/src/', ...(app === CLUSTERS ? [] : [AGENTS])].some((folder) => path.startsWith(folder)),
    )
    .filter(({ path }) => !DOOR.test(path))
    .flatMap(({ path, text }) => usedIn(meantBy(app), path, text))
const rightsOf = (used: readonly Used[], isMeant: (path: string) => boolean): readonly string[] =>
  [...new Set(used.filter(({ path }) => isMeant(path)).map(({ right }) => right))].toSorted()
const granted = (rules: typeof CLUSTER_CONTROLLER_RULES): readonly string[] =>
  rules
    .flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource}: ${verb}`)),
      ),
    )
    .toSorted()

const isElsewhere = (path: string): boolean =>
  !OWN.includes(path) && !path.endsWith('/hosts.ts') && !path.endsWith('/own-image.ts')

describe('the cluster controller', () => {
  const used = usedBy(CLUSTERS)

  test('its sources are read', () => {
    expect(kindsOf(CLUSTERS)).toEqual(['redisClusters'])
    expect(used.length).toBeGreaterThan(40)
    expect(used.map(({ right }) => right)).toContain('/secrets: create')
  })

  test('in watched namespaces it may do what it does, and nothing else', () => {
    // Asked for by an admission plugin, not by a call.
    const unseen = 'slotkeeper.dev/redisclusters/finalizers: update'
    expect(granted(CLUSTER_CONTROLLER_RULES)).toEqual([...rightsOf(used, isElsewhere), unseen].toSorted())
  })

  test('in its own namespace too, and of nodes', () => {
    expect(granted(OWN_NAMESPACE_RULES)).toEqual(rightsOf(used, (path) => [...OWN, ...BOTH].includes(path)))
    expect(granted(NODES_RULES)).toEqual(rightsOf(used, (path) => path.endsWith('/hosts.ts')))
  })
})

describe('the backup controller', () => {
  const used = usedBy(BACKUPS)

  test('its sources are read', () => {
    expect(kindsOf(BACKUPS).toSorted()).toEqual(['redisBackupSchedules', 'redisBackupStorages', 'redisBackups'])
    expect(used.map(({ right }) => right)).toContain('batch/jobs: create')
  })

  test('in watched namespaces it may do what it does, and nothing else', () => {
    const kinds = ['redisbackups', 'redisbackupstorages', 'redisbackupschedules']
    const unseen = kinds.map((one) => `slotkeeper.dev/${one}/finalizers: update`)
    expect(granted(BACKUP_CONTROLLER_RULES)).toEqual([...rightsOf(used, isElsewhere), ...unseen].toSorted())
  })

  test('it reads no Secret, and of pods in its own namespace its own alone', () => {
    expect(used.filter(({ right }) => right.startsWith('/secrets'))).toEqual([])
    expect(granted(OWN_POD_RULES)).toEqual(rightsOf(used, (path) => path.endsWith('/own-image.ts')))
  })
})

describe('the restore controller', () => {
  const used = usedBy(RESTORES)

  test('in watched namespaces it may do what it does, and nothing else', () => {
    expect(kindsOf(RESTORES)).toEqual(['redisRestores'])
    const unseen = 'slotkeeper.dev/redisrestores/finalizers: update'
    expect(granted(RESTORE_CONTROLLER_RULES)).toEqual([...rightsOf(used, isElsewhere), unseen].toSorted())
  })

  test('it reads no Secret, and changes no claim; a cluster only to order a restore in place, and to take the order back', () => {
    const rights = used.map(({ right }) => right)
    expect(rights).toContain('/persistentvolumeclaims: delete')
    expect(rights.filter((one) => /^\/secrets|claims: (patch|apply)|redisclusters: apply/.test(one))).toEqual([])
    expect(rights.filter((one) => /redisclusters: patch/.test(one))).toHaveLength(2)
  })
})
