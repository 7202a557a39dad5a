import { join } from 'node:path'
import { type Obj, type Remembered, runController } from '@slotkeeper/controller'
import { connectKube, createRecorder, createStatusWriter, objectsOf, redisClusters } from '@slotkeeper/k8s'
import { kubectl, startKubeApiServer, until } from '@slotkeeper/testing'
import { expect, test } from 'vitest'
import { tellUnwritten } from '../src/notes.ts'
import { parseObject } from '../src/parse-object.ts'

const key = { namespace: 'default', name: 'orders' }
const io = () => ({ signal: AbortSignal.timeout(30_000) })

test('a cluster that another controller has claimed is left alone, and says so where people look', async () => {
  const api = await startKubeApiServer()
  const kube = connectKube({ kubeconfigPath: api.kubeconfig })
  const ending = new AbortController()
  try {
    await kubectl(api, 'apply', '-k', join(import.meta.dirname, '../../../deploy/crds'))
    await kubectl(api, 'wait', '--for=condition=Established', 'crd/redisclusters.slotkeeper.dev')
    const objects = objectsOf(kube)
    const spec = { version: 'valkey-9.1', shards: 3 }
    const made = { apiVersion: 'slotkeeper.dev/v1beta1', kind: 'RedisCluster', metadata: key, spec }
    const { metadata } = await objects.create(redisClusters, made, io())
    const lifecycle = { life: 1, seq: 0, published: 0, epoch: 9, holder: 'other-7d4f' }
    const uid = metadata.uid ?? ''
    await objects.patchStatus(redisClusters, key, { state: 'Creating', lifecycle }, { uid }, io())

    const problems: unknown[] = []
    const onProblem = (error: unknown): void => void problems.push(error)
    const recorder = createRecorder({ objects, controller: 'slotkeeper.dev/test', instance: 'me', onProblem })
    let observed = 0
    const running = runController(
      {
        controller: {
          kind: { group: 'slotkeeper.dev', version: 'v1beta1', plural: 'redisclusters' },
          wakes: (wake) => wake(key),
          observe: async () => (observed += 1),
          decide: () => {
            throw new Error('it was decided about')
          },
          allows: () => false,
          act: async () => ({ result: 'accepted' }),
        },
        objects: createStatusWriter<Obj<unknown, Remembered>>({
          objects,
          resource: redisClusters,
          parse: (object) => parseObject(object, (spec) => spec),
        }),
        store: { append: () => Promise.reject(new Error('away')), lastOf: () => Promise.reject(new Error('away')) },
        toMessage: () => ({ subject: '', aggregate: '', body: '', msgId: '' }),
      },
      {
        lease: { epoch: 4, holder: 'me-5c9b', held: () => true },
        signal: ending.signal,
        report: (_plural, report) => {
          if (report.unwritten !== undefined) tellUnwritten(recorder, redisClusters, report.key, report.unwritten)
        },
      },
    )
    const said = await until('it is said', 30_000, async () => {
      const described = await kubectl(api, 'describe', 'rediscluster', 'orders', '-n', 'default')
      return described.split('\n').find((line) => line.includes('ForeignController'))
    })
    expect(said).toMatch(/Warning .*other-7d4f looks after it under epoch 9; me-5c9b, under epoch 4, leaves it alone/)
    expect(observed).toBe(0)
    // It could not say so in the status.
    const own = { lifecycle: { ...lifecycle, epoch: 4, holder: 'me-5c9b' } }
    await expect(objects.patchStatus(redisClusters, key, own, { uid }, io())).rejects.toMatchObject({
      reason: 'Invalid',
    })
    ending.abort()
    await running.stopped
    await recorder.close()
    expect(problems).toEqual([])
  } finally {
    ending.abort()
    await kube.close()
    await api.stop()
  }
}, 180_000)
