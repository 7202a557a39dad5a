import { readFile, writeFile } from 'node:fs/promises'
import { type KubeApiServer, startKubeApiServer, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectKube, type Kube, nodes, objectsOf, startPermittedReflector } from '../src/index.ts'

let api: KubeApiServer
let admin: Kube
const io = { signal: new AbortController().signal }
const rbac = (plural: string, kind: string) => ({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  plural,
  kind,
  namespaced: false,
})
const accounts = { group: '', version: 'v1', plural: 'serviceaccounts', kind: 'ServiceAccount', namespaced: true }

beforeAll(async () => {
  api = await startKubeApiServer()
  admin = connectKube({ kubeconfigPath: api.kubeconfig })
})
afterAll(async () => {
  await admin?.close()
  await api?.stop()
})

/** A client that may do nothing yet. */
async function connectNobody(): Promise<Kube> {
  const metadata = { name: 'nobody', namespace: 'default' }
  await objectsOf(admin).create(accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata }, io)
  const answer = (await admin.request({
    method: 'POST',
    path: '/api/v1/namespaces/default/serviceaccounts/nobody/token',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } },
    ...io,
  })) as { readonly status: { readonly token: string } }
  const text = await readFile(api.kubeconfig, 'utf8')
  const path = `${api.kubeconfig}-nobody`
  await writeFile(path, text.replaceAll(api.token, answer.status.token), { mode: 0o600 })
  return connectKube({ kubeconfigPath: path })
}

async function permit(): Promise<void> {
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  const metadata = { name: 'reads-nodes' }
  const rules = [{ apiGroups: [''], resources: ['nodes'], verbs: ['list', 'watch'] }]
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reads-nodes' }
  const subjects = [{ kind: 'ServiceAccount', name: 'nobody', namespace: 'default' }]
  await objectsOf(admin).create(
    rbac('clusterroles', 'ClusterRole'),
    { apiVersion, kind: 'ClusterRole', metadata, rules },
    io,
  )
  const binding = { apiVersion, kind: 'ClusterRoleBinding', metadata, roleRef, subjects }
  await objectsOf(admin).create(rbac('clusterrolebindings', 'ClusterRoleBinding'), binding, io)
}

test('what may not be read is told once, and followed from when it may be', async () => {
  const kube = await connectNobody()
  const stop = new AbortController()
  const problems: unknown[] = []
  let asked = 0
  const counting: Kube = { ...kube, request: (request) => ((asked += 1), kube.request(request)) }
  try {
    const options = {
      kube: counting,
      resource: nodes,
      project: () => 1,
      onProblem: (error: unknown) => problems.push(error),
    }
    const cache = startPermittedReflector<number>(options, stop.signal, 20)
    await until('a third question', 10_000, async () => (asked >= 3 ? true : undefined))
    expect(cache()).toBe(undefined)
    expect(problems).toEqual([expect.objectContaining({ reason: 'Forbidden' })])
    await permit()
    await objectsOf(admin).create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'one' } }, io)
    await until('the node', 10_000, async () => cache()?.get('', 'one'))
    expect(problems).toHaveLength(1)
  } finally {
    stop.abort()
    await kube.close()
  }
})
