import { until } from '@slotkeeper/testing'
import type { Scenario } from '../scenario.ts'
import type { Client, Trial } from '../trial.ts'

const PATIENCE_MS = 60_000
const WANTED = 1_000

type Connection = { readonly id: string; readonly host: string }

/** The connections of clients to a server, replicas and this one aside. */
async function connections(client: Client): Promise<readonly Connection[]> {
  const own = String(await client.client('ID'))
  return String(await client.call('CLIENT', 'LIST', 'TYPE', 'normal'))
    .split('\n')
    .flatMap((line) => {
      const [id, host] = [/\bid=(\d+)/.exec(line)?.[1], /\baddr=(\S+):\d+/.exec(line)?.[1]]
      return id === undefined || host === undefined || id === own ? [] : [{ id, host }]
    })
}

/**
 * A user that is removed loses its connections. It is somebody else who removes it and reads it back, for whoever removes
 * itself goes on as `default`, which may not read users; whom the file does not know loses this connection with that.
 */
async function removeAndReload(client: Client): Promise<void> {
  await client.call('ACL', 'SETUSER', 'passer-by', 'on', 'nopass', '+@all')
  await client.call('AUTH', 'passer-by', 'anything')
  await client.multi().call('ACL', 'DELUSER', 'slotkeeper').call('ACL', 'LOAD').exec()
}

/**
 * The ways in which a server closes connections though it is well. `timeout` is none: the controller asks for a sign of life
 * every second, and no timeout is shorter.
 */
const WAYS: readonly ((client: Client) => Promise<unknown>)[] = [
  (client) => client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
  (client) => client.call('CLIENT', 'KILL', 'USER', 'slotkeeper', 'SKIPME', 'yes'),
  removeAndReload,
]

/** Has a server close what it has, waits until the controller is back; gives how many were closed. */
async function closeOnce(trial: Trial, pod: string, way: (client: Client) => Promise<unknown>): Promise<number> {
  const { ip } = await trial.ground.controller.leading()
  const before = await trial.control(pod, async (client) => {
    const open = await connections(client)
    // It may close this connection too, before it has answered; whether it closed any is looked for below.
    await way(client).catch(() => undefined)
    return open
  })
  return until(`the controller is connected to ${pod} again`, PATIENCE_MS, () =>
    trial.control(pod, async (client) => {
      const now = await connections(client)
      const known = new Set(now.map(({ id }) => id))
      const closed = before.filter(({ id }) => !known.has(id)).length
      return closed === 0 || now.every(({ host }) => host !== ip) ? undefined : closed
    }),
  )
}

/** Connections of live servers that are closed. */
export const connectionScenarios: readonly Scenario[] = [
  {
    name: 'connections-closed',
    proves: 'SAFETY 3: a thousand connections of live servers are closed, in three ways; nobody is promoted',
    persistence: ['none'],
    run: async (trial) => {
      let closed = 0
      await trial.fault({}, async () => {
        for (let round = 0; closed < WANTED; round += 1) {
          const way = WAYS[round % WAYS.length] ?? trial.random.pick(WAYS)
          const counts = await Promise.all(trial.podNames().map((pod) => closeOnce(trial, pod, way)))
          closed += counts.reduce((sum, count) => sum + count, 0)
        }
      })
      trial.note = `${closed} connections closed`
    },
  },
]
