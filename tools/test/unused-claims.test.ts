import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ANNOTATION, claimName, labelsOf } from '@slotkeeper/api'
import { type KubeApiServer, requireTool, startKubeApiServer } from '@slotkeeper/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { root } from '../workspace.ts'

/*
 * Whoever deletes a claim that is in use loses data, so the command of docs/backups.md that tells which are not is run as it
 * stands there, on a real API server.
 */
const run = promisify(execFile)
const [, command = ''] =
  /\*\*Which claims nobody uses\*\*[^`]*(?:`[^`\n]+`[^`]*)*```\n([\s\S]*?)```/.exec(
    readFileSync(join(root, 'docs/backups.md'), 'utf8'),
  ) ?? []
const labels = labelsOf('orders')
const uid = '031d908b-29c3-4a6c-8414-f980b8b0901c'
let api: KubeApiServer

const claim = (name: string, more: object = {}, of: object = labels): object => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name, namespace: 'shop', labels: of, ...more },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
})

const containers = [{ name: 'one', image: 'nobody/starts:this' }]
const pod = (name: string, mounted: string): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'shop' },
  spec: {
    automountServiceAccountToken: false,
    containers,
    volumes: [
      { name: 'tmp', emptyDir: {} },
      { name: 'data', persistentVolumeClaim: { claimName: mounted } },
    ],
  },
})

const statefulSet = (name: string, of: object, templates: object): object => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name, namespace: 'shop', labels: of },
  spec: {
    serviceName: name,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers } },
    ...templates,
  },
})

/** Runs a line of a shell in which kubectl is that of the API server. */
async function shell(line: string, input = ''): Promise<string> {
  const kube = await requireTool('kube')
  const env = { ...process.env, KUBECONFIG: api.kubeconfig }
  const running = run('bash', ['-c', `kubectl() { "${kube}" kubectl "$@"; }\n${line}`], { env, timeout: 60_000 })
  running.child.stdin?.end(input)
  return (await running).stdout
}

beforeAll(async () => {
  api = await startKubeApiServer()
  await shell('kubectl create namespace shop && kubectl -n shop create serviceaccount default')
  const template = { metadata: { name: 'data' }, spec: (claim('data') as { readonly spec: object }).spec }
  const items = [
    statefulSet('orders-0', labels, { volumeClaimTemplates: [template] }),
    // One without volumes, and one of somebody else.
    statefulSet('orders-1', labels, {}),
    statefulSet('orders-2', { app: 'other' }, { volumeClaimTemplates: [template] }),
    claim(claimName('data', 'orders', 0, 0)),
    claim(claimName('data', 'orders', 0, 1)),
    claim(claimName('data', 'orders', 1, 0)),
    claim(claimName('data', 'orders', 3, 0)),
    claim(claimName('data-07a0692a', 'orders', 0, 0), { annotations: { [ANNOTATION.restoredBy]: uid } }),
    claim('data-others-0-0', {}, labelsOf('others')),
    pod('reads-it', claimName('data', 'orders', 1, 0)),
    pod('has-read-it', claimName('data', 'orders', 3, 0)),
  ]
  await shell('kubectl apply -f -', JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
  await shell(
    `kubectl -n shop patch pod has-read-it --subresource=status --type=merge -p '{"status":{"phase":"Succeeded"}}'`,
  )
})

afterAll(async () => {
  await api?.stop()
})

test('the command of docs/backups.md tells claims that nobody uses from those in use', async () => {
  expect((await shell(command)).trim().split('\n')).toEqual([
    `unused data-07a0692a-orders-0-0 ${uid}`,
    'in use data-orders-0-0 <none>',
    'in use data-orders-0-1 <none>',
    'in use data-orders-1-0 <none>',
    'unused data-orders-3-0 <none>',
  ])
})

test('where pods cannot be listed it calls nothing unused', async () => {
  const blind = command.replaceAll('get pods', 'get nobodies')
  await expect(shell(`${blind}`)).resolves.toBe('')
})
