import type { SlotRange } from './slots.ts'

/** One line of CLUSTER NODES: what one node believes of another. */
export type NodeRow = {
  readonly nodeId: string
  readonly address: string
  readonly port: number
  readonly myself: boolean
  readonly role: 'primary' | 'replica'
  /** The node id of the primary that a replica follows. */
  readonly primaryId?: string
  readonly flags: readonly string[]
  readonly configEpoch: number
  /** It has answered since this node was started, and there is a link to it, or one is being dialled. */
  readonly connected: boolean
  readonly slots: readonly SlotRange[]
  /** Slots that are being moved, as the node says it: `[93->-<id>]`. */
  readonly open: readonly string[]
}

/**
 * Parses the answer of CLUSTER NODES. Lines that are not understood are skipped: a newer server may add fields.
 * Source: redis.io/commands/cluster-nodes.
 */
export function parseClusterNodes(text: string): readonly NodeRow[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .flatMap((line) => {
      const row = parseRow(line)
      return row === undefined ? [] : [row]
    })
}

function parseRow(line: string): NodeRow | undefined {
  const [nodeId, endpoint, flagText, primaryId, , heardAt, epoch, link, ...rest] = line.split(' ')
  if (nodeId === undefined || endpoint === undefined || flagText === undefined || epoch === undefined) return undefined
  const flags = flagText.split(',')
  const hostAndPort = endpoint.split('@')[0]?.split(',')[0] ?? ''
  const colon = hostAndPort.lastIndexOf(':')
  const replica = flags.includes('slave') || flags.includes('replica')
  return {
    nodeId,
    address: hostAndPort.slice(0, colon),
    port: Number(hostAndPort.slice(colon + 1)),
    myself: flags.includes('myself'),
    role: replica ? 'replica' : 'primary',
    ...(primaryId !== undefined && primaryId !== '-' ? { primaryId } : {}),
    flags,
    configEpoch: Number(epoch),
    // Who is dialled counts as connected for as long as an address that is nobody's, or somebody else's, keeps silent.
    connected: flags.includes('myself') || (link === 'connected' && heardAt !== '0'),
    slots: rest
      .filter((part) => !part.startsWith('['))
      .map((part) => {
        const [first, last] = part.split('-').map(Number)
        return { first: first ?? 0, last: last ?? first ?? 0 }
      }),
    open: rest.filter((part) => part.startsWith('[')),
  }
}

/** Node ids from which this node has an inbound bus link, by the pairs that CLUSTER LINKS answers (Redis 7.0+). */
export function parseInboundLinks(links: unknown): readonly string[] {
  if (!Array.isArray(links)) return []
  return links.flatMap((link: unknown) => {
    if (!Array.isArray(link)) return []
    const pairs = new Map<string, unknown>()
    for (let index = 0; index + 1 < link.length; index += 2) pairs.set(String(link[index]), link[index + 1])
    return pairs.get('direction') === 'from' ? [String(pairs.get('node'))] : []
  })
}
