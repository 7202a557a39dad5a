/** What an INFO answer says that decisions depend on. */
export type NodeInfo = {
  readonly version: string
  readonly role: 'primary' | 'replica'
  readonly loading: boolean
  readonly linkUp: boolean
  /** Since when a replica's link is down; `NEVER_UP` of a process whose link was never up. 0 where that is not said. */
  readonly linkDownSeconds: number
  readonly syncing: boolean
  /** Where a replica looks for its primary; absent of a primary. */
  readonly primaryHost?: string
  /** Bytes of the replication stream written (primary) or applied (replica). */
  readonly offset: number
  readonly keys: number
}

/** Longer than any link is down: what this process holds, it did not hear from its primary. */
export const NEVER_UP = Number.MAX_SAFE_INTEGER

/** Parses INFO (server, persistence, replication, keyspace). */
export function parseInfo(text: string): NodeInfo {
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  const replica = fields.get('role') === 'slave'
  const primaryHost = replica ? fields.get('master_host') : undefined
  const number = (name: string): number => Number(fields.get(name) ?? 0)
  return {
    version: fields.get('valkey_version') ?? fields.get('redis_version') ?? '',
    role: replica ? 'replica' : 'primary',
    loading: fields.get('loading') === '1',
    linkUp: !replica || fields.get('master_link_status') === 'up',
    // A server that was started while its primary was away says -1: not "just now", but "not since I started".
    linkDownSeconds: number('master_link_down_since_seconds') < 0 ? NEVER_UP : number('master_link_down_since_seconds'),
    syncing: fields.get('master_sync_in_progress') === '1',
    ...(primaryHost === undefined ? {} : { primaryHost }),
    offset: replica ? number('slave_repl_offset') : number('master_repl_offset'),
    keys: [...fields]
      .filter(([name]) => /^db\d+$/.test(name))
      .reduce((sum, [, value]) => sum + Number(/keys=(\d+)/.exec(value)?.[1] ?? 0), 0),
  }
}
