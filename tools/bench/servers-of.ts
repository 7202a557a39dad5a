import { CLIENT_PORT } from '@slotkeeper/api'
import { secrets } from '@slotkeeper/k8s'
import { NodePool, observeNode, type RedisNode, type Words } from '@slotkeeper/redis-client'
import type { Contact } from '@slotkeeper/redis-topology'
import type { Forward } from '../local/src/index.ts'
import type { ClusterWatch, SeenPod } from './cluster-watch.ts'
import type { Stage } from './stage.ts'
import type { LookAtServers } from './wholeness.ts'

/** A pod, and what its server says. */
export type SeenServer = { readonly pod: SeenPod; readonly contact: Contact }

/** The way to the servers of a cluster. */
export type Servers = {
  readonly look: LookAtServers
  /** The same, by pod. */
  see(): Promise<readonly SeenServer[]>
  /** Sends a command to one pod's server, once it has been looked at. */
  call(pod: string, command: Words): Promise<unknown>
  close(): Promise<void>
}

const LOOK_MS = 500
const CALL_MS = 2_000

/** The servers of a watched cluster: a forward to each address that one of its pods has, or had. */
export function serversOf(
  { platform, objects, namespace }: Stage,
  name: string,
  watch: ClusterWatch,
  signal: AbortSignal,
): Servers {
  const pool = new NodePool(() => undefined)
  const forwards = new Map<string, Promise<Forward>>()
  let password: string | undefined
  const nodeOf = async ({ ip }: SeenPod): Promise<RedisNode | undefined> => {
    if (ip === undefined || password === undefined) return undefined
    const forward = forwards.get(ip) ?? platform.forward({ host: ip, port: CLIENT_PORT })
    forwards.set(ip, forward)
    const target = { host: '127.0.0.1', port: (await forward).port, username: 'slotkeeper', password }
    return pool.node(ip, target)
  }
  const contactOf = async (pod: SeenPod): Promise<Contact> => {
    const node = await nodeOf(pod)
    return node === undefined ? { type: 'absent' } : observeNode(node, ['cluster-node-timeout'], LOOK_MS)
  }
  const call = async (name: string, command: Words): Promise<unknown> => {
    const pod = watch.pods().find((one) => one.name === name)
    const node = pod === undefined ? undefined : await nodeOf(pod)
    if (node === undefined) throw new Error(`${name} has no server yet`)
    return node.call(command, CALL_MS)
  }
  const see = async (): Promise<readonly SeenServer[]> => {
    if (password === undefined) {
      const secret = await objects.get(secrets, { namespace, name: `${name}-internal` }, { signal })
      const data = (secret?.['data'] ?? {}) as Readonly<Record<string, string>>
      password = Buffer.from(data['control-password'] ?? '', 'base64').toString('utf8') || undefined
    }
    return Promise.all(watch.pods().map(async (pod) => ({ pod, contact: await contactOf(pod) })))
  }
  const close = async (): Promise<void> => {
    pool.close()
    for (const forward of forwards.values()) await (await forward).close()
  }
  return { look: async () => (await see()).map(({ contact }) => contact), see, call, close }
}
