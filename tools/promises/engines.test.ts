import { connect } from 'node:net'
import { connectServer, until } from '@slotkeeper/testing'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { openStage, type Stage } from './stage.ts'

/** Three versions, and between them the three ways of keeping data; Valkey 9.1 is the one that the other promises use. */
const CLUSTERS = [
  { name: 'old', version: 'redis-7.0', spec: {} },
  { name: 'new', version: 'redis-8.0', spec: { storage: { size: '100Mi', persistence: 'rdb' } } },
  { name: 'fork', version: 'valkey-8.1', spec: { storage: { size: '100Mi' } } },
] as const
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
  stage = await openStage(inject('platform'), 'engines')
  await Promise.all(CLUSTERS.map(({ name, version, spec }) => stage.create(name, { version, ...spec })))
  await Promise.all(CLUSTERS.map(({ name }) => stage.healthy(name)))
})

describe('what a cluster brings to its clients', () => {
  test('each has a bus port, a password and users of its own', async () => {
    const seen = await Promise.all(
      CLUSTERS.map(async ({ name }) => {
        const ports = await stage.kubectl(
          'get',
          'service',
          `${name}-nodes`,
          '-o',
          'jsonpath={.spec.ports[?(@.name=="bus")].port}',
        )
        const config = await stage.kubectl('get', 'configmap', `${name}-config`, '-o', 'jsonpath={.data.redis\\.conf}')
        expect(config).toContain(`\ncluster-port ${ports}\n`)
        const { password } = await stage.secret(`${name}-auth`)
        const internal = await stage.secret(`${name}-internal`)
        return [
          ports,
          password,
          internal['control-password'],
          internal['probe-password'],
          internal['auth.conf'],
          internal['users.acl'],
        ]
      }),
    )
    for (const [index] of seen[0]?.entries() ?? [])
      expect(new Set(seen.map((one) => one[index])).size, `value ${index}`).toBe(CLUSTERS.length)
    expect(seen.flat().every((value) => value !== undefined && value !== '')).toBe(true)
  })

  test.concurrent.each(CLUSTERS)('$version: an ordinary client enters by the uri of its Secret', async ({ name }) => {
    const connection = await stage.secret(`${name}-connection`)
    const { password } = await stage.secret(`${name}-auth`)
    const host = `${name}.${stage.namespace}.svc`
    expect(connection).toMatchObject({
      type: 'redis',
      provider: 'slotkeeper',
      host,
      port: '6379',
      username: 'default',
      password,
    })
    const uri = new URL(connection['uri'] ?? '')
    expect([uri.protocol, uri.hostname, uri.port, uri.username]).toEqual(['redis:', host, '6379', 'default'])
    // By name and through the Service, from inside.
    const inside = `$(command -v valkey-cli || command -v redis-cli) -u '${uri.href}' --no-auth-warning PING`
    expect(await stage.kubectl('exec', `${name}-0-0`, '--', 'sh', '-c', inside)).toBe('PONG\n')
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
    expect((await stage.read(name)).status?.binding).toEqual({ name: `${name}-connection` })
  })

  test.concurrent.each(CLUSTERS)(
    '$version: nobody enters without a password, and no client is an administrator',
    async ({ name }) => {
      await expect(stage.connect(`${name}-0-0`)).rejects.toThrow(/NOAUTH/)
      const { password = '' } = await stage.secret(`${name}-auth`)
      await expect(stage.connect(`${name}-0-0`, { username: 'default', password: 'guessed' })).rejects.toThrow(
        /WRONGPASS/,
      )
      const client = await stage.connect(`${name}-0-0`, { username: 'default', password })
      for (const words of [
        ['CONFIG', 'SET', 'maxmemory', '1'],
        ['CLUSTER', 'RESET'],
        ['SHUTDOWN'],
        ['ACL', 'LIST'],
        ['REPLICAOF', 'NO', 'ONE'],
      ])
        await expect(client.call(words[0] ?? '', ...words.slice(1)), words.join(' ')).rejects.toThrow(/NOPERM/)
      client.disconnect()
    },
  )

  test.concurrent.each(CLUSTERS)('$version: the user of the probes can do nothing but probe', async ({ name }) => {
    const internal = await stage.secret(`${name}-internal`)
    const control = await stage.connect(`${name}-0-0`, {
      username: 'slotkeeper',
      password: internal['control-password'] ?? '',
    })
    const commands = commandsOf((await control.call('COMMAND')) as readonly CommandInfo[])
    expect(commands.length).toBeGreaterThan(300)
    const tries = control.pipeline()
    for (const { words } of commands) tries.call('ACL', 'DRYRUN', 'slotkeeper-probe', ...words)
    const answers = (await tries.exec()) ?? []
    const allowed = commands.filter((_, index) => answers[index]?.[1] === 'OK')
    // What every connection may say, to enter or to leave, is no permission.
    expect(
      allowed
        .filter(({ free }) => !free)
        .map(({ name: one }) => one)
        .toSorted(),
    ).toEqual(['cluster|nodes', 'info', 'ping'])
    control.disconnect()
  })
})

describe('a killed primary', () => {
  test.concurrent.each(CLUSTERS)('$version: the writes that a replica confirmed are all there', async ({ name }) => {
    const writer = await stage.write(name, 50)
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

test.concurrent.each(CLUSTERS)('$version: the cluster is deleted', ({ name }) => stage.remove(name))
