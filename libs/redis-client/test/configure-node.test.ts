import { sameSetting } from '@slotkeeper/redis-topology'
import { ENGINES, startRedisServer, until } from '@slotkeeper/testing'
import { expect, test } from 'vitest'
import { configureNode, NodePool, observeNode } from '../src/index.ts'

/** Values as people write them; each is printed in another form. */
const WRITTEN: Readonly<Record<string, string>> = {
  'maxmemory-policy': 'AllKeys-LRU',
  'repl-backlog-size': '16mb',
  'maxmemory-clients': '10MB',
  'client-query-buffer-limit': '1gb',
  'client-output-buffer-limit': 'replica 256mb 64mb 60',
  'notify-keyspace-events': 'KEA',
  'latency-tracking-info-percentiles': '50.0 99.90',
  'lazyfree-lazy-expire': 'YES',
  'list-max-ziplist-size': '-2',
}

test.concurrent.each(ENGINES)(
  '%s: what people write is taken, is held, and is told from what is refused',
  async (engine) => {
    const server = await startRedisServer(engine, { loglevel: 'Notice', 'repl-backlog-size': '8mb' })
    const pool = new NodePool(() => undefined)
    const node = () => pool.node('one', { host: server.host, port: server.port, username: 'default', password: '' })
    const configure = (settings: Readonly<Record<string, string>>) =>
      until('an answer', 20_000, async () => ({ refusal: await configureNode(node(), settings, 2_000) }))
    try {
      expect(await configure(WRITTEN)).toEqual({ refusal: null })
      const names = [...Object.keys(WRITTEN), 'loglevel', 'no-such-setting']
      const settings = await until('its settings', 20_000, async () => {
        const contact = await observeNode(node(), names, 2_000)
        return contact.type === 'up' ? contact.view.settings : undefined
      })
      for (const [name, value] of Object.entries(WRITTEN)) {
        expect(settings[name], name).not.toBe(undefined)
        expect(sameSetting(name, value, settings[name] ?? ''), `${name}: ${value} is ${settings[name]}`).toBe(true)
      }
      expect(sameSetting('loglevel', 'Notice', settings['loglevel'] ?? '')).toBe(true)
      expect(settings['no-such-setting']).toBe(undefined)
      const refusalOf = async (name: string, value: string) => (await configure({ hz: '20', [name]: value })).refusal
      expect(await refusalOf('maxmemory-policy', 'nonsense')).toMatch(/^maxmemory-policy: .*one of the following/)
      expect(await refusalOf('no-such-setting', '1')).toMatch(/^no-such-setting: .*Unknown/)
      expect(await refusalOf('rdbchecksum', 'no')).toMatch(/^rdbchecksum: .*immutable/)
    } finally {
      pool.close()
      await server.remove()
    }
  },
)
