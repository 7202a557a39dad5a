import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type FaultyProxy, type KubeApiServer, startFaultyProxy, startKubeApiServer } from '@slotkeeper/testing'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { connectKube, EPOCH_ANNOTATION, type Kube, leases, objectsOf } from '../src/index.ts'
import { candidateOf, type Candidate } from './candidate-of.ts'

let api: KubeApiServer
let proxy: FaultyProxy
let kube: Kube
let stops: AbortController[] = []
const io = { signal: new AbortController().signal }
const DURATION_MS = 2_000
const eventually = { timeout: 15_000, interval: 5 }

beforeAll(async () => {
  api = await startKubeApiServer()
  proxy = await startFaultyProxy(api)
  kube = connectKube({ kubeconfigPath: api.kubeconfig })
})
afterEach(() => {
  for (const stop of stops) stop.abort()
  stops = []
  proxy.fault = () => undefined
})
afterAll(async () => {
  await kube?.close()
  await proxy?.stop()
  await api?.stop()
})

function stand(
  name: string,
  holder: string,
  over: Kube = kube,
  nextEpoch = async (counter: number) => counter + 1,
): Candidate {
  const candidate = candidateOf({ kube: over, name, holder, durationMs: DURATION_MS, nextEpoch })
  stops.push(candidate.stop)
  return candidate
}

async function leaseOf(name: string) {
  const lease = await objectsOf(kube).get(leases, { namespace: 'default', name }, io)
  const spec = lease?.spec as
    | { readonly holderIdentity?: string; readonly leaseTransitions?: number; readonly renewTime?: string }
    | undefined
  return lease === null
    ? null
    : { spec, epoch: lease.metadata.annotations?.[EPOCH_ANNOTATION], uid: lease.metadata.uid ?? '' }
}

test('of two candidates one leads; the other follows at once after a release, with a higher epoch', async () => {
  const one = stand('pair', 'one')
  await vi.waitFor(() => expect(one.epochs).toEqual([1]), eventually)
  const two = stand('pair', 'two')
  expect(one.election.held(DURATION_MS / 2)).toBe(true)
  expect(one.election.held(DURATION_MS)).toBe(false)
  expect(await leaseOf('pair')).toMatchObject({
    epoch: '1',
    spec: { holderIdentity: 'one', renewTime: expect.stringMatching(/\.\d{6}Z$/) },
  })
  const renewed = (await leaseOf('pair'))?.spec?.renewTime
  await vi.waitFor(async () => expect((await leaseOf('pair'))?.spec?.renewTime).not.toBe(renewed), eventually)
  expect(two.election.held(0)).toBe(false)
  one.stop.abort()
  expect(await one.end).toBe('released')
  expect(one.election.held(0)).toBe(false)
  await vi.waitFor(() => expect(two.epochs).toEqual([2]), { timeout: DURATION_MS / 2, interval: 5 })
  expect(await leaseOf('pair')).toMatchObject({ epoch: '2', spec: { holderIdentity: 'two', leaseTransitions: 1 } })
})

test(
  'many candidates, many changes: epochs rise, and no two ever hold the Lease at once',
  { timeout: 60_000 },
  async () => {
    const all = Array.from({ length: 5 }, (_, number) => stand('many', `candidate-${number}`))
    let most = 0
    const look = setInterval(() => (most = Math.max(most, all.filter(({ election }) => election.held(0)).length)), 1)
    for (let left = all.length; left > 0; left--) {
      const current = await vi.waitUntil(() => all.find(({ leading }) => leading !== undefined), eventually)
      current.stop.abort()
      await current.end
    }
    clearInterval(look)
    expect(most).toBe(1)
    expect(all.flatMap(({ epochs }) => epochs).toSorted()).toEqual([1, 2, 3, 4, 5])
  },
)

test('a Lease that vanished ends the leadership at once, and its leader does not create it again', async () => {
  const one = stand('vanishing', 'one', kube, async (counter) => Math.max(counter, 41) + 1)
  await vi.waitFor(() => expect(one.epochs).toEqual([42]), eventually)
  const { uid } = (await leaseOf('vanishing'))!
  const began = performance.now()
  await objectsOf(kube).delete(leases, { namespace: 'default', name: 'vanishing' }, { uid }, io)
  expect(await one.end).toBe('lost')
  // Seen by the next renewal, long before the Lease would have run out.
  expect(performance.now() - began).toBeLessThan(DURATION_MS)
  expect(one.election.held(0)).toBe(false)
  expect(one.leading).toBeUndefined()
  expect(await leaseOf('vanishing')).toBeNull()
})

test('a Lease that vanished is nobody else’s before it would have run out: its leader does not know yet', async () => {
  const one = stand('deleted', 'one')
  await vi.waitFor(() => expect(one.epochs).toEqual([1]), eventually)
  let answers = 0
  const counting: Kube = { ...kube, request: (call) => kube.request(call).finally(() => answers++) }
  const two = stand('deleted', 'two', counting, async (counter) => counter + 2)
  let both = false
  const look = setInterval(() => (both ||= one.election.held(0) && two.election.held(0)), 1)
  const renewed = (await leaseOf('deleted'))?.spec?.renewTime
  await vi.waitFor(async () => expect((await leaseOf('deleted'))?.spec?.renewTime).not.toBe(renewed), eventually)
  const seen = answers
  await vi.waitFor(() => expect(answers).toBeGreaterThan(seen), eventually)
  const { uid } = (await leaseOf('deleted'))!
  await objectsOf(kube).delete(leases, { namespace: 'default', name: 'deleted' }, { uid }, io)
  await vi.waitFor(() => expect(two.epochs).toEqual([2]), eventually)
  clearInterval(look)
  expect(both).toBe(false)
  expect(await one.end).toBe('lost')
})

test('a Lease that another took by force is lost', async () => {
  const one = stand('forced', 'one')
  await vi.waitFor(() => expect(one.epochs).toEqual([1]), eventually)
  const key = { namespace: 'default', name: 'forced' }
  await objectsOf(kube).patch(leases, key, { spec: { holderIdentity: 'intruder' } }, null, io)
  expect(await one.end).toBe('lost')
  expect((await leaseOf('forced'))?.spec?.holderIdentity).toBe('intruder')
})

test('a leader that is cut off stops before its Lease runs out; the next one has a higher epoch', async () => {
  const cut = connectKube({ kubeconfigPath: proxy.kubeconfig, requestTimeoutMs: 500 })
  const one = stand('cut', 'one', cut)
  await vi.waitFor(() => expect(one.epochs).toEqual([1]), eventually)
  const two = stand('cut', 'two')
  let both = false
  const look = setInterval(() => (both ||= one.election.held(0) && two.election.held(0)), 1)
  proxy.fault = () => 'silence'
  expect(await one.end).toBe('lost')
  expect(two.election.held(0)).toBe(false)
  await vi.waitFor(() => expect(two.epochs).toEqual([2]), eventually)
  clearInterval(look)
  expect(both).toBe(false)
  await cut.close()
})

test('at rest a leader asks for nothing but a renewal each half of the duration', async () => {
  const proxied = connectKube({ kubeconfigPath: proxy.kubeconfig })
  const one = stand('resting', 'one', proxied)
  await vi.waitFor(() => expect(one.epochs).toEqual([1]), eventually)
  const [before, began] = [proxy.calls.length, performance.now()]
  await vi.waitFor(() => expect(proxy.calls.length - before).toBeGreaterThanOrEqual(4), eventually)
  // Only a bound from below: a busy machine renews later, none earlier.
  expect(performance.now() - began).toBeGreaterThan(3.5 * (DURATION_MS / 2))
  expect(proxy.calls.slice(before).every(({ method }) => method === 'PATCH')).toBe(true)
  one.stop.abort()
  await one.end
  await proxied.close()
})

test('a renewal that gets no answer is tried again before it is too late', async () => {
  const proxied = connectKube({ kubeconfigPath: proxy.kubeconfig })
  const one = stand('unanswered', 'one', proxied)
  await vi.waitFor(() => expect(one.epochs).toEqual([1]), eventually)
  const { calls } = proxy
  const before = calls.length
  proxy.fault = () => (calls.length === before + 1 ? 'silence' : undefined)
  await vi.waitFor(() => expect(calls.length - before).toBeGreaterThanOrEqual(4), eventually)
  expect(one.epochs).toEqual([1])
  expect(one.leading?.aborted).toBe(false)
  expect(one.election.held(0)).toBe(true)
  one.stop.abort()
  await one.end
  await proxied.close()
})

test('renewals whose answers are lost cost nothing while others succeed', async () => {
  const shaky = connectKube({ kubeconfigPath: proxy.kubeconfig, requestTimeoutMs: 500 })
  let calls = 0
  proxy.fault = () => (++calls % 4 === 0 ? 'lost-answer' : undefined)
  const one = stand('shaky', 'one', shaky)
  await vi.waitFor(() => expect(calls).toBeGreaterThan(8), eventually)
  expect(one.epochs).toEqual([1])
  expect(one.election.held(0)).toBe(true)
  one.stop.abort()
  await one.end
  await shaky.close()
})

test('the epoch is asked for until it comes, while the Lease is kept, and nothing starts before it is written', async () => {
  let asked = 0
  const nextEpoch = async (counter: number): Promise<number> => {
    asked++
    if (asked === 1) throw new Error('the list failed')
    return asked === 2 ? counter : counter + 7
  }
  const one = stand('slow', 'one', kube, nextEpoch)
  await vi.waitFor(() => expect(asked).toBe(2), eventually)
  expect(one.epochs).toEqual([])
  expect(one.election.held(0)).toBe(false)
  expect((await leaseOf('slow'))?.spec?.holderIdentity).toBe('one')
  await vi.waitFor(() => expect(one.epochs).toEqual([7]), eventually)
  expect((await leaseOf('slow'))?.epoch).toBe('7')
})

type Message = { readonly type: string; readonly epoch?: number; readonly held?: boolean; readonly end?: string }

function startProcess(name: string, holder: string): { readonly child: ChildProcess; readonly said: Message[] } {
  const program = fileURLToPath(new URL('candidate.ts', import.meta.url))
  const child = spawn(process.execPath, [program, api.kubeconfig, name, holder, String(DURATION_MS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said: Message[] = []
  createInterface({ input: child.stdout! }).on('line', (line) => said.push(JSON.parse(line) as Message))
  return { child, said }
}

test('a leader that was stopped and goes on does not believe for a moment that it still leads', async () => {
  const { child, said } = startProcess('paused', 'one')
  try {
    await vi.waitFor(() => expect(said).toEqual([{ type: 'started', epoch: 1 }]), eventually)
    child.kill('SIGSTOP')
    const two = stand('paused', 'two')
    await vi.waitFor(() => expect(two.epochs).toEqual([2]), eventually)
    child.kill('SIGCONT')
    await vi.waitFor(() => expect(said.at(-1)).toEqual({ type: 'ended', end: 'lost' }), eventually)
    const after = said.slice(1)
    expect(after.filter(({ held }) => held === true)).toEqual([])
    expect(after.map(({ type }) => type).toSorted()).toEqual(['ended', 'resumed', 'stopped'])
    expect(two.election.held(0)).toBe(true)
  } finally {
    child.kill('SIGKILL')
  }
})
