/** What an INFO answer says that decisions depend on. */
export type NodeInfo = {
  readonly version: string
  readonly role: 'primary' | 'replica'
  readonly loading: boolean
  readonly linkUp: boolean
  readonly linkDownSeconds: number
  readonly syncing: boolean
  /** Bytes of the replication stream written (primary) or applied (replica). */
  readonly offset: number
  readonly keys: number
}

/** Parses INFO (server, persistence, replication, keyspace). */
export function parseInfo(text: string): NodeInfo {
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  const replica = fields.get('role') === 'slave'
  const number = (name: string): number => Number(fields.get(name) ?? 0)
  return {
    version: fields.get('valkey_version') ?? fields.get('redis_version') ?? '',
    role: replica ? 'replica' : 'primary',
    loading: fields.get('loading') === '1',
    linkUp: !replica || fields.get('master_link_status') === 'up',
    linkDownSeconds: number('master_link_down_since_seconds'),
    syncing: fields.get('master_sync_in_progress') === '1',
    offset: replica ? number('slave_repl_offset') : number('master_repl_offset'),
    keys: [...fields]
      .filter(([name]) => /^db\d+$/.test(name))
      .reduce((sum, [, value]) => sum + Number(/keys=(\d+)/.exec(value)?.[1] ?? 0), 0),
  }
}
