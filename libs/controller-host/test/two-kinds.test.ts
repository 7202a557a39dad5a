import { writeFile } from 'node:fs/promises'
import type { EventBody, Obj } from '@slotkeeper/controller'
import type { EventKind } from '@slotkeeper/events'
import { connectKube, events, leases, type Objects, objectsOf, type ResourceDescriptor } from '@slotkeeper/k8s'
import { connectNats, createEventStore } from '@slotkeeper/nats'
import { createLogger, createMetrics } from '@slotkeeper/observability'
import { kubectl, type KubeApiServer, startKubeApiServer, startNatsServer, until } from '@slotkeeper/testing'
import { expect, test } from 'vitest'
import { hostEnvironment, readConfig } from '../src/host-config.ts'
import { type Kind, kindOf } from '../src/kind.ts'
import { parseObject } from '../src/parse-object.ts'
import { run } from '../src/run.ts'

type Counted = { readonly state: 'Counted'; readonly count: number }

const GROUP = 'test.slotkeeper.dev'
const key = { namespace: 'default', name: 'orders' }
const tallies: ResourceDescriptor = { group: GROUP, version: 'v1', plural: 'tallies', kind: 'Tally', namespaced: true }
const ledgers: ResourceDescriptor = { ...tallies, plural: 'ledgers', kind: 'Ledger' }

/** Counts to one, and tells of it. */
const counting = (resource: ResourceDescriptor, eventKind: EventKind): Kind =>
  kindOf<null, Counted, null, never, EventBody>({
    resource,
    eventKind,
    parse: (object) => parseObject<null, Counted>(object, () => null),
    noteOf: ({ type }) => ({ type: 'Normal', reason: type, note: `of a ${eventKind}` }),
    controller: () => ({
      kind: resource,
      wakes: (wake) => wake(key),
      observe: async () => null,
      decide: ({ object: { status } }) => ({
        findings: [],
        status: { state: 'Counted', count: 1 },
        events: status?.count === 1 ? [] : [{ type: 'Accepted', data: { message: 'one' } }],
        commands: [],
        lookAgainInMs: 60_000,
      }),
      allows: () => false,
      act: async () => ({ result: 'accepted' }),
    }),
  })

async function define(api: KubeApiServer, { group, version, plural, kind }: ResourceDescriptor): Promise<void> {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
  const crd = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, kind },
      versions: [{ name: version, served: true, storage: true, schema, subresources: { status: {} } }],
    },
  }
  const file = `${api.kubeconfig}-${plural}.json`
  await writeFile(file, JSON.stringify(crd))
  await kubectl(api, 'apply', '-f', file)
  await kubectl(api, 'wait', '--for=condition=Established', `crd/${plural}.${group}`)
}

/** An object that was claimed under an epoch. */
async function claimed(objects: Objects, resource: ResourceDescriptor, epoch: number, io: { signal: AbortSignal }) {
  const made = { apiVersion: `${GROUP}/v1`, kind: resource.kind, metadata: key }
  const { metadata } = await objects.create(resource, made, io)
  const lifecycle = { life: 1, seq: 0, published: 0, epoch, holder: 'before' }
  const status = { state: 'Counted', count: 0, lifecycle, outbox: [] }
  await objects.patchStatus(resource, key, status, { uid: metadata.uid ?? '' }, io)
}

test('a process of two kinds claims the objects of both above the epochs of both, and tells of each as what it is', async () => {
  const stop = new AbortController()
  const io = { signal: stop.signal }
  const api = await startKubeApiServer()
  const nats = await startNatsServer()
  const kube = connectKube({ kubeconfigPath: api.kubeconfig })
  const objects = objectsOf(kube)
  const lines: string[] = []
  const metrics = createMetrics()
  let running: Promise<void> | undefined
  try {
    for (const resource of [tallies, ledgers]) await define(api, resource)
    await claimed(objects, tallies, 4, io)
    await claimed(objects, ledgers, 9, io)
    const env = { SLOTKEEPER_NAMESPACE: 'default', SLOTKEEPER_NATS_URL: nats.url, KUBECONFIG: api.kubeconfig }
    // Given back by whoever led before: nobody is waited for.
    const spec = { holderIdentity: '', leaseDurationSeconds: 15 }
    const metadata = { namespace: 'default', name: 'slotkeeper-test-controller' }
    await objects.create(leases, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec }, io)
    running = run(
      { name: 'test-controller', kinds: () => [counting(tallies, 'backup'), counting(ledgers, 'storage')] },
      {
        config: readConfig(hostEnvironment('test-controller'), env),
        log: createLogger({ level: 'debug', name: 'test', write: (line) => lines.push(line) }),
        metrics,
        holder: 'me',
        signal: stop.signal,
      },
    )
    const takenOver = (resource: ResourceDescriptor): Promise<Obj<null, Counted>> =>
      until(`${resource.kind} is taken over, and all is told`, 60_000, async () => {
        const found = await objects.get(resource, key, io)
        const object = found === null ? null : parseObject<null, Counted>(found, () => null)
        const isDone = object?.status?.lifecycle.holder === 'me' && object.status.outbox.length === 0
        return isDone ? object : undefined
      })
    const [tally, ledger] = await Promise.all([takenOver(tallies), takenOver(ledgers)])
    expect(tally.status?.lifecycle.epoch).toBeGreaterThan(9)
    expect(ledger.status?.lifecycle.epoch).toBe(tally.status?.lifecycle.epoch)

    const connection = await connectNats({ url: nats.url, name: 'test', signal: stop.signal })
    const told: unknown[] = []
    for await (const { subject, event } of createEventStore({ connection, mode: 'ensure' }).read({ filter: 'redis.>' }))
      told.push([subject, event?.cloudEvent.source])
    expect(told.toSorted()).toEqual([
      ['redis.evt.backup.default.orders.Accepted', '/slotkeeper.dev/namespaces/default/tallies/orders'],
      ['redis.evt.storage.default.orders.Accepted', '/slotkeeper.dev/namespaces/default/ledgers/orders'],
    ])
    await until('both are told of in Kubernetes', 60_000, async () => {
      const { items } = await objects.list(events, { namespace: 'default' }, io)
      const notes = items.map(({ regarding, note }) => `${(regarding as { readonly kind: string }).kind} ${note}`)
      return (notes.includes('Tally of a backup') && notes.includes('Ledger of a storage')) || undefined
    })
    const passes = lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ msg }) => msg === 'pass')
    expect(passes.some(({ backup, storage }) => backup === 'default/orders' && storage === undefined)).toBe(true)
    expect(passes.some(({ storage }) => storage === 'default/orders')).toBe(true)
    const counted = (await metrics.reconciles.get()).values.map(({ labels }) => labels.controller)
    expect(new Set(counted)).toEqual(new Set(['tallies', 'ledgers']))
  } finally {
    stop.abort()
    await running
    await kube.close()
    await Promise.all([nats.stop(), api.stop()])
  }
}, 180_000)
