import { join } from 'node:path'
import { connectKube } from '@slotkeeper/k8s'
import { kubectl, makeLimitedUser, startKubeApiServer } from '@slotkeeper/testing'
import { expect, onTestFinished, test } from 'vitest'
import { startCaches } from '../src/caches.ts'

const WATCHED = [
  'redisclusters.slotkeeper.dev',
  'pods',
  'services',
  'configmaps',
  'statefulsets.apps',
  'poddisruptionbudgets.policy',
]

test('a namespace that may not be read is told of, and the clusters of the others are looked after', async () => {
  const api = await startKubeApiServer()
  onTestFinished(() => api.stop())
  await kubectl(api, 'apply', '-k', join(import.meta.dirname, '../../../deploy/crds'))
  await kubectl(api, 'wait', '--for=condition=Established', 'crd/redisclusters.slotkeeper.dev')
  await kubectl(api, 'create', 'namespace', 'closed')
  const rights = { resources: WATCHED, verbs: ['list', 'watch'] }
  const kube = connectKube({ kubeconfigPath: await makeLimitedUser(api, 'limited', ['shop'], rights) })
  onTestFinished(() => kube.close())
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  const accesses: [string, boolean][] = []
  const refused = Promise.withResolvers<void>()
  const caches = startCaches(
    {
      kube,
      namespaces: ['closed', 'shop'],
      wake: () => {},
      onProblem: () => {},
      onAccess(namespace, allowed) {
        accesses.push([namespace, allowed])
        refused.resolve()
      },
    },
    stop.signal,
  )
  await Promise.all([caches.synced(AbortSignal.timeout(30_000), 'shop'), refused.promise])
  expect(accesses).toEqual([['closed', false]])
  const never = AbortSignal.abort(new Error('not yet'))
  await expect(caches.synced(never, 'closed')).rejects.toThrow('not yet')
})
