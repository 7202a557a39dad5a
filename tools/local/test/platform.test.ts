import { readdir, readFile, readlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stateDirectory } from '../src/cache-directory.ts'
import { createDialer, startPlatform, type Platform } from '../src/index.ts'
import { sixPods } from './six-pods.ts'

const name = `test-${process.pid}`
let platform: Platform
let before: Leftovers

type Leftovers = { readonly mounts: number; readonly links: number }

async function leftovers(): Promise<Leftovers> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').length
  const links = (await readdir('/sys/class/net')).length
  return { mounts, links }
}

/** Containers of this platform, whose control groups must go with it. Other platforms may come and go meanwhile. */
async function containers(): Promise<readonly string[]> {
  const folders = ['node1', 'node2', 'node3'].map((node) =>
    join(stateDirectory(name), node, 'run/io.containerd.runtime.v2.task/k8s.io'),
  )
  return (await Promise.all(folders.map((folder) => readdir(folder)))).flat()
}

async function controlGroups(): Promise<ReadonlySet<string>> {
  const hierarchies = await readdir('/sys/fs/cgroup')
  return new Set((await Promise.all(hierarchies.map((one) => readdir(`/sys/fs/cgroup/${one}`).catch(() => [])))).flat())
}

async function processesOfPlatform(): Promise<readonly string[]> {
  const found: string[] = []
  for (const id of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const text = await readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')
    const folder = await readlink(`/proc/${id}/cwd`).catch(() => '')
    if (text.includes(`run/${name}`) || text.includes(`\0${name}\0`) || folder.includes(`run/${name}`))
      found.push(`${id} ${text.slice(0, 100)}`)
  }
  return found
}

const ipOf = (pod: string): Promise<string> => platform.kubectl(['get', 'pod', pod, '-o', 'jsonpath={.status.podIP}'])
const inPod = (pod: string, ...command: string[]): Promise<string> =>
  platform.kubectl(['exec', pod, '--', ...command], { deadline: 15_000 })
const pings = (pod: string, host: string): Promise<string> =>
  inPod(pod, 'timeout', '2', 'redis-cli', '-h', host, 'ping').then(
    (text) => text.trim(),
    () => 'nothing',
  )

function ask(socket: Duplex, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (part: Buffer) => {
      resolve(part.toString())
      socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed without an answer')))
    socket.write(request)
  })
}

beforeAll(async () => {
  before = await leftovers()
  platform = await startPlatform({ name, signal: AbortSignal.timeout(280_000), log: (line) => console.log(line) })
  await platform.kubectl(['apply', '-f', '-'], { input: sixPods })
  await platform.kubectl(['rollout', 'status', 'statefulset/r', '--timeout=60s'], { deadline: 70_000 })
}, 300_000)

afterAll(async () => {
  await platform?.stop()
}, 60_000)

describe('the local platform', () => {
  test('spreads six pods over three zones', async () => {
    const text = await platform.kubectl(['get', 'pods', '-l', 'a=r', '-o', 'jsonpath={.items[*].spec.nodeName}'])
    expect(text.split(' ').toSorted()).toEqual(['node1', 'node1', 'node2', 'node2', 'node3', 'node3'])
  })

  test('gives volumes to the group of the pod', async () => {
    expect(await inPod('r-0', 'stat', '-c', '%g', '/data')).toBe('999\n')
    await inPod('r-0', 'touch', '/data/written')
    expect((await platform.kubectl(['get', 'pvc', '-o', 'jsonpath={.items[*].status.phase}'])).split(' ')).toEqual(
      Array(6).fill('Bound'),
    )
  })

  test('resolves names of pods and leads Services to them', async () => {
    expect(await pings('r-0', 'r-4.r.default.svc.cluster.local')).toBe('PONG')
    expect(await pings('r-3', 'front')).toBe('PONG')
  })

  test('gives logs', async () => {
    expect(await platform.kubectl(['logs', 'r-2'])).toContain('Ready to accept connections')
  })

  test('leads from this machine to pods and Services', async () => {
    const dial = createDialer(platform)
    expect(await ask(dial(await ipOf('r-5'), 6379), 'PING\r\n')).toBe('+PONG\r\n')
    expect(await ask(dial('r-1.r.default.svc.cluster.local', 6379), 'PING\r\n')).toBe('+PONG\r\n')
    // Whether the request travels with the address or behind it: a refusal is always told.
    const five = await ipOf('r-5')
    for (let round = 0; round < 50; round++) await expect(ask(dial(five, 6380), 'PING\r\n')).rejects.toThrow()
    const forward = await platform.forward({ namespace: 'default', service: 'front', port: 6379 })
    expect(await ask(connect(forward.port, '127.0.0.1'), 'PING\r\n')).toBe('+PONG\r\n')
    await forward.close()
  })

  test.each(['drop', 'reject'] as const)('cuts one direction between two pods (%s) and heals it', async (mode) => {
    const [zero, one, two] = await Promise.all([ipOf('r-0'), ipOf('r-1'), ipOf('r-2')])
    await platform.switchboard.cut(one, zero, mode)
    expect(await pings('r-1', zero)).not.toBe('PONG')
    expect(await pings('r-2', zero)).toBe('PONG')
    expect(await pings('r-1', two)).toBe('PONG')
    await platform.switchboard.heal()
    expect(await pings('r-1', zero)).toBe('PONG')
  })

  test('stops, continues and kills the processes of a pod', async () => {
    const two = await ipOf('r-2')
    expect(await platform.switchboard.killInPod('default', 'r-2', 'SIGSTOP')).toBeGreaterThan(0)
    expect(await pings('r-0', two)).not.toBe('PONG')
    await platform.switchboard.killInPod('default', 'r-2', 'SIGCONT')
    expect(await pings('r-0', two)).toBe('PONG')
    await platform.switchboard.killInPod('default', 'r-3', 'SIGKILL', 'redis')
    const restarted = { deadline: 40_000 }
    await platform.kubectl(
      ['wait', 'pod/r-3', '--for=jsonpath={.status.containerStatuses[0].restartCount}=1', '--timeout=30s'],
      restarted,
    )
    await platform.kubectl(['wait', 'pod/r-3', '--for=condition=Ready', '--timeout=30s'], restarted)
  })

  test('runs Jobs, drains nodes, removes released volumes', async () => {
    await platform.kubectl([
      'create',
      'job',
      'once',
      '--image=docker.io/library/redis:8.0',
      '--',
      'redis-cli',
      '--version',
    ])
    await platform.kubectl(['wait', 'job/once', '--for=condition=complete', '--timeout=30s'], { deadline: 40_000 })
    expect(await platform.kubectl(['logs', 'job/once'])).toContain('redis-cli 8.0')
    await platform.kubectl(
      ['drain', 'node3', '--ignore-daemonsets', '--delete-emptydir-data', '--force', '--timeout=40s'],
      { deadline: 50_000 },
    )
    await platform.kubectl(['uncordon', 'node3'])
    await platform.kubectl(['rollout', 'status', 'statefulset/r', '--timeout=40s'], { deadline: 50_000 })
    await platform.kubectl(['delete', 'statefulset', 'r', '--timeout=40s'], { deadline: 50_000 })
    await expect.poll(() => platform.kubectl(['get', 'pv', '-o', 'name']), { timeout: 20_000, interval: 500 }).toBe('')
  })

  test('leaves nothing behind', async () => {
    const ids = await containers()
    await platform.stop()
    await sleep(200)
    const groups = await controlGroups()
    expect(ids.filter((id) => groups.has(id))).toEqual([])
    expect(await processesOfPlatform()).toEqual([])
    expect(await leftovers()).toEqual(before)
    await expect(readdir(stateDirectory(name))).rejects.toThrow('ENOENT')
  })
})
