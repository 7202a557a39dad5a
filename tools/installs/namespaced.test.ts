import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { healthy, install, readCluster } from '../demo/tour.ts'
import { startPlatform, type Platform } from '../local/src/index.ts'
import { withKustomization } from '../kustomize.ts'
import { root } from '../workspace.ts'

const deploy = (path: string): string => join(root, 'deploy', path)
const account = 'system:serviceaccount:slotkeeper-system:slotkeeper-cluster-controller'
const stop = new AbortController()
let platform: Platform

const createIn = async (namespace: string): Promise<void> => {
  await platform.kubectl(['-n', namespace, 'apply', '-f', join(root, 'examples/clusters/orders.yaml')])
}
/** Whether the controller may; the API server is asked as its service account. */
const may = (...what: readonly string[]): Promise<string> =>
  platform.kubectl(['auth', 'can-i', ...what, '--as', account]).then(
    (text) => text.trim(),
    (error: { readonly stdout?: string }) => error.stdout?.trim() ?? String(error),
  )

// A platform of its own: on the shared one a controller of the whole cluster would take every object.
beforeAll(async () => {
  platform = await startPlatform({ name: `namespaced-${process.pid}`, signal: stop.signal })
  for (const namespace of ['shop', 'elsewhere']) await platform.kubectl(['create', 'namespace', namespace])
  const overlay = { resources: [deploy('overlays/namespaced')], components: [deploy('components/local')] }
  await withKustomization(overlay, (folder) => install(platform, folder))
  // The one that nobody watches comes first: it would be the first to be served.
  await createIn('elsewhere')
  await createIn('shop')
})

afterAll(async () => {
  stop.abort()
  await platform?.stop()
})

test('an installation for named namespaces forms a cluster in one of them', async () => {
  const { status } = await healthy(platform, 'shop', 'orders')
  expect(status?.topology).toHaveLength(3)
})

test('an object in another namespace is left alone', async () => {
  const found = await readCluster(platform, 'elsewhere', 'orders')
  expect(found.status).toBeUndefined()
  expect(found.metadata).not.toHaveProperty('finalizers')
  const kinds = 'pods,statefulsets,services,secrets,persistentvolumeclaims,poddisruptionbudgets,leases'
  expect(await platform.kubectl(['-n', 'elsewhere', 'get', kinds, '-o', 'name'])).toBe('')
})

test('the controller has no right beyond its namespaces', async () => {
  expect(await may('list', 'redisclusters.slotkeeper.dev', '-n', 'shop')).toBe('yes')
  expect(await may('get', 'secrets', '-n', 'shop')).toBe('yes')
  expect(await may('list', 'redisclusters.slotkeeper.dev', '-n', 'elsewhere')).toBe('no')
  expect(await may('get', 'secrets', '-n', 'elsewhere')).toBe('no')
  expect(await may('list', 'redisclusters.slotkeeper.dev', '--all-namespaces')).toBe('no')
  const bindings = await platform.kubectl(['get', 'clusterrolebindings', '-o', 'json'])
  expect(bindings).not.toContain('"slotkeeper-system"')
})

test('what it may do suffices for the end as well', async () => {
  await platform.kubectl(['-n', 'shop', 'delete', 'rdc', 'orders', '--timeout=90s'], { deadline: 100_000 })
  const log = await platform.kubectl(['-n', 'slotkeeper-system', 'logs', 'deployment/slotkeeper-cluster-controller'])
  expect(log).toContain('leading')
  expect(log).not.toMatch(/forbidden/i)
})
