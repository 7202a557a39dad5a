import { CLIENT_PORT, LABEL } from '@slotkeeper/api'
import { type KubeObject, pods, secrets } from '@slotkeeper/k8s'
import { connectServer } from '@slotkeeper/testing'
import type { Stage } from './stage.ts'

/** Commands by connection of the controller: how many it has sent on each. */
export type SentCommands = ReadonlyMap<string, number>

const USER = 'slotkeeper'

/** Reads from the servers of these clusters how many commands the controller has sent them. */
export async function readCommands(
  stage: Stage,
  clusters: readonly string[],
  signal: AbortSignal,
): Promise<SentCommands> {
  return new Map((await Promise.all(clusters.map((name) => sentTo(stage, name, signal)))).flat())
}

/** How many were sent between two readings; a connection that was closed meanwhile is not counted. */
export function commandsBetween(before: SentCommands, after: SentCommands): number {
  return [...after].reduce((sum, [connection, count]) => sum + count - (before.get(connection) ?? 0), 0)
}

async function sentTo(
  stage: Stage,
  name: string,
  signal: AbortSignal,
): Promise<readonly (readonly [string, number])[]> {
  const { objects, namespace } = stage
  const secret = await objects.get(secrets, { namespace, name: `${name}-internal` }, { signal })
  const data = (secret?.['data'] ?? {}) as Readonly<Record<string, string>>
  const password = Buffer.from(data['control-password'] ?? '', 'base64').toString('utf8')
  const { items } = await objects.list(pods, { namespace, labelSelector: `${LABEL.cluster}=${name}` }, { signal })
  return (await Promise.all(items.map((pod) => sentToPod(stage, pod, password)))).flat()
}

async function sentToPod(
  { platform }: Stage,
  { metadata, status }: KubeObject,
  password: string,
): Promise<readonly (readonly [string, number])[]> {
  const host = (status as { readonly podIP?: string } | undefined)?.podIP ?? ''
  const dial = (...to: readonly [string, number]) => platform.dial(...to)
  const client = await connectServer(dial, { host, port: CLIENT_PORT, username: USER, password })
  try {
    const own = await client.client('ID')
    const rows = String(await client.call('CLIENT', 'LIST', 'TYPE', 'normal')).split('\n')
    return rows.flatMap((row) => {
      const [, id = '', user, count] = /^id=(\d+) .* user=(\S+) .*\btot-cmds=(\d+)/.exec(row) ?? []
      return user === USER && id !== String(own) ? [[`${metadata.uid} ${id}`, Number(count)] as const] : []
    })
  } finally {
    client.disconnect()
  }
}
