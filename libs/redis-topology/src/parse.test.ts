import { expect, test } from 'vitest'
import { parseClusterNodes, parseInboundLinks } from './cluster-nodes.ts'
import { NEVER_UP, parseInfo } from './info.ts'

const NODES = `07c37dfeb235213a872192d90877d0cd55635b91 10.244.1.5:6379@20001 slave e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 10.244.2.7:6379@20001,host shard-id=x master - 0 1426238316232 2 connected 5461-10922
e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 10.244.1.2:6379@20001 myself,master - 0 0 1 connected 0-5460 [93->-292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f]
824fe116063bc5fcf9f4ffd895bc17aee7731ac3 :0@0 master,fail,noaddr - 1426238317741 1426238317232 3 disconnected
`

test('CLUSTER NODES', () => {
  const rows = parseClusterNodes(NODES.replace(',host shard-id=x', ',host,shard-id=x'))
  expect(rows).toHaveLength(4)
  expect(rows[0]).toMatchObject({
    role: 'replica',
    primaryId: 'e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca',
    address: '10.244.1.5',
    configEpoch: 4,
    connected: true,
  })
  expect(rows[1]).toMatchObject({ address: '10.244.2.7', port: 6379, slots: [{ first: 5461, last: 10922 }] })
  expect(rows[2]).toMatchObject({
    myself: true,
    slots: [{ first: 0, last: 5460 }],
    open: ['[93->-292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f]'],
  })
  expect(rows[3]).toMatchObject({ connected: false, flags: ['master', 'fail', 'noaddr'] })
})

test('who is dialled and has never answered is not connected, though the server says so', () => {
  const dialled = NODES.replace('0 1426238317239 4 connected', '1426238317000 0 4 connected')
  expect(parseClusterNodes(NODES)[0]?.connected).toBe(true)
  expect(parseClusterNodes(dialled)[0]?.connected).toBe(false)
})

test('INFO of a replica and of a primary', () => {
  const replica = parseInfo(
    'redis_version:7.2.4\r\nvalkey_version:9.1.2\r\nloading:0\r\nrole:slave\r\nmaster_host:10.1.2.3\r\nmaster_link_status:down\r\nmaster_sync_in_progress:1\r\nslave_repl_offset:42\r\nmaster_link_down_since_seconds:3\r\ndb0:keys=7,expires=0,avg_ttl=0\r\n',
  )
  expect(replica).toEqual({
    version: '9.1.2',
    role: 'replica',
    loading: false,
    linkUp: false,
    linkDownSeconds: 3,
    syncing: true,
    primaryHost: '10.1.2.3',
    offset: 42,
    keys: 7,
  })
  // A link that was never up in this process is no link that went down just now.
  expect(parseInfo('role:slave\r\nmaster_link_status:down\r\nmaster_link_down_since_seconds:-1\r\n')).toMatchObject({
    linkDownSeconds: NEVER_UP,
  })
  expect(parseInfo('redis_version:7.0.15\r\nrole:master\r\nmaster_repl_offset:9\r\n')).toMatchObject({
    version: '7.0.15',
    role: 'primary',
    linkUp: true,
    offset: 9,
    keys: 0,
  })
})

test('CLUSTER LINKS: only inbound ones count', () => {
  expect(
    parseInboundLinks([
      ['direction', 'to', 'node', 'a'],
      ['direction', 'from', 'node', 'b'],
    ]),
  ).toEqual(['b'])
  expect(parseInboundLinks(null)).toEqual([])
})
