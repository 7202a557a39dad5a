import { connect } from 'node:net'
import { configMaps, redisClusters, services } from '@slotkeeper/k8s'
import { connectServer, until } from '@slotkeeper/testing'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { Stage } from './stage.ts'

/** Three versions, and between them the three ways of keeping data; Valkey 9.1 is the one that the other promises use. */
const CLUSTERS = [
  { name: 'old', version: 'redis-7.0', spec: {} },
  { name: 'new', version: 'redis-8.0', spec: { storage: { size: '100Mi', persistence: 'rdb' } } },
  { name: 'fork', version: 'valkey-8.1', spec: { storage: { size: '100Mi' } } },
] as const
/** Of each cluster, what it must share with no other. */
const own: Record<string, readonly (string | undefined)[]> = {}
let stage: Stage

/** Name, arity, flags, and at place 9 the subcommands. */
type CommandInfo = readonly [string, number, readonly string[], ...unknown[]]

/** All commands of a server, each with as many words as it asks for. `free`: needs no permission. */
function commandsOf(
  infos: readonly CommandInfo[],
): readonly { name: string; words: readonly string[]; free: boolean }[] {
  return infos.flatMap((info) => {
    const [name, arity, flags] = info
    const parts = (info[9] ?? []) as readonly CommandInfo[]
    if (parts.length > 0) return commandsOf(parts)
    const words = name.split('|')
    const more = Array.from({ length: Math.max(0, Math.abs(arity) - words.length) }, () => '1')
    return [{ name, words: [...words, ...more], free: flags.includes('no_auth') }]
  })
}

beforeAll(async () => {
  stage = await Stage.open(inject('platform'), 'engines')
  await create(0)
})

afterAll(async () => {
  // Each deletion was ordered when its tests had ended.
  for (const { name } of CLUSTERS)
    await until(`${name} is gone with its pods`, 90_000, async () =>
      (await stage.find(redisClusters, name)) === null && (await stage.podsOf(name)).length === 0 ? true : undefined,
    )
  await stage.close()
  const seen = Object.values(own)
  for (const [index] of seen[0]?.entries() ?? [])
    expect(new Set(seen.map((one) => one[index])).size, `value ${index} of ${seen.length}`).toBe(seen.length)
})

const create = async (number: number): Promise<void> => {
  const next = CLUSTERS[number]
  if (next !== undefined) await stage.create(next.name, { version: next.version, ...next.spec })
}

// One after the other, and not eighteen pods at once: the next is formed while one is tried.
describe.each(CLUSTERS)('$version', ({ name, version }) => {
  const pod = `${name}-0-0`

  beforeAll(async () => {
    const { status } = await stage.healthy(name)
    await create(CLUSTERS.findIndex((one) => one.name === name) + 1)
    expect(status?.version).toMatch(new RegExp(`^${version.split('-')[1]}\\.`))
    expect(status?.binding).toEqual({ name: `${name}-connection` })
  })

  afterAll(async () => void (await stage.kubectl('delete', 'rdc', name, '--wait=false')))

  test('it has a bus port, a password and users of its own', async () => {
    const { spec: wanted } = (await stage.find(services, `${name}-nodes`)) as unknown as {
      spec: { ports: { name: string; port: number }[] }
    }
    const port = wanted.ports.find((one) => one.name === 'bus')?.port
    const { data } = (await stage.find(configMaps, `${name}-config`)) as unknown as { data: Record<string, string> }
    expect(data['redis.conf']).toContain(`\ncluster-port ${port}\n`)
    const auth = await stage.secret(`${name}-auth`)
    const internal = await stage.secret(`${name}-internal`)
    expect(Object.keys(auth)).toEqual(['password'])
    const passwords = ['backup-password', 'control-password', 'probe-password']
    expect(Object.keys(internal).toSorted()).toEqual(['auth.conf', ...passwords, 'users.acl'].toSorted())
    own[name] = [String(port), ...Object.values(auth), ...Object.values(internal)]
    expect(own[name].every((value) => value !== '')).toBe(true)
  })

  test('an ordinary client enters by the uri of its Secret', async () => {
    const connection = await stage.secret(`${name}-connection`)
    const { password } = await stage.secret(`${name}-auth`)
    const host = `${name}.${stage.namespace}.svc`
    const well = { type: 'redis', provider: 'slotkeeper', host, port: '6379', username: 'default', password }
    expect(connection).toMatchObject(well)
    const uri = new URL(connection['uri'] ?? '')
    expect([uri.protocol, uri.hostname, uri.port, uri.username]).toEqual(['redis:', host, '6379', 'default'])
    // By name and through the Service, from inside.
    const inside = `$(command -v valkey-cli || command -v redis-cli) -u '${uri.href}' --no-auth-warning PING`
    // The nodes of Kubernetes hear of a Service's ends a moment after they are there.
    const answer = await until('an answer by the Service', 60_000, () =>
      stage.kubectl('exec', pod, '--', 'sh', '-c', inside),
    )
    expect(answer).toBe('PONG\n')
    // And with ioredis, through one of the Service's ends.
    const forward = await stage.platform.forward({ namespace: stage.namespace, service: name, port: 6379 })
    const redis = await connectServer((at, port) => connect(port, at), {
      host: '127.0.0.1',
      port: forward.port,
      username: decodeURIComponent(uri.username),
      password: decodeURIComponent(uri.password),
    })
    expect(await redis.cluster('SLOTS')).toHaveLength(3)
    redis.disconnect()
    await forward.close()
  })

  test('nobody enters without a password, and no client is an administrator', async () => {
    const { password = '' } = await stage.secret(`${name}-auth`)
    await expect(stage.connect(pod)).rejects.toThrow(/NOAUTH/)
    await expect(stage.connect(pod, { username: 'default', password: 'guessed' })).rejects.toThrow(/WRONGPASS/)
    const client = await stage.connect(pod, { username: 'default', password })
    const forbidden = ['CONFIG SET maxmemory 1', 'CLUSTER RESET', 'SHUTDOWN', 'ACL LIST', 'REPLICAOF NO ONE']
    for (const words of forbidden) {
      const [command = '', ...args] = words.split(' ')
      await expect(client.call(command, ...args), words).rejects.toThrow(/NOPERM/)
    }
    client.disconnect()
  })

  test.each([
    ['slotkeeper-probe', ['cluster|nodes', 'info', 'ping']],
    ['slotkeeper-backup', ['client|pause', 'client|unpause', 'cluster|nodes', 'info', 'psync', 'replconf', 'role']],
  ])('the user %s can do nothing but what it is for', async (user, permissions) => {
    const { 'control-password': password = '' } = await stage.secret(`${name}-internal`)
    const control = await stage.connect(pod, { username: 'slotkeeper', password })
    const commands = commandsOf((await control.call('COMMAND')) as readonly CommandInfo[])
    expect(commands.length).toBeGreaterThan(300)
    const tries = control.pipeline()
    for (const { words } of commands) tries.call('ACL', 'DRYRUN', user, ...words)
    const answers = (await tries.exec()) ?? []
    const allowed = commands.filter((_, index) => answers[index]?.[1] === 'OK')
    // What every connection may say, to enter or to leave, is no permission.
    const granted = allowed.filter(({ free }) => !free).map((command) => command.name)
    expect(granted.toSorted()).toEqual(permissions)
    control.disconnect()
  })

  test('a killed primary costs no write that a replica confirmed', async () => {
    const writer = await stage.write(name, 100)
    const confirmed = (count: number) =>
      until(`${count} confirmed writes`, 60_000, async () =>
        writer.record().confirmed.size >= count ? true : undefined,
      )
    await confirmed(100)
    const victim = (await stage.read(name)).status?.topology?.[0]?.primary ?? ''
    await stage.crash(victim)
    await stage.healthy(name)
    await confirmed(writer.record().confirmed.size + 100)
    await writer.finish()
    const missing = await writer.missing()
    writer.close()
    expect(missing.confirmed).toEqual([])
  })
})
