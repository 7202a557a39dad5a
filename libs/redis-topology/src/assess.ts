import type { NodeRow } from './cluster-nodes.ts'
import { common, formatRanges, normalise, slotCount, uncovered, type SlotRange } from './slots.ts'
import { isUp, type Desired, type History, type Member, type Snapshot, type UpMember } from './snapshot.ts'

/** One shard as all views together tell it. */
export type ShardPicture = {
  readonly shard: number
  readonly members: readonly Member[]
  readonly ranges: readonly SlotRange[]
  /** Node id that owns the shard's slots. */
  readonly primaryId?: string
  /** Pod of that node, if one is known. */
  readonly primaryPod?: string
  /** That pod's server answers under that id, as a primary. */
  readonly primaryUp: boolean
  readonly epoch: number
  /** Pods whose server follows this primary with its link up. */
  readonly attached: readonly string[]
}

/** The cluster as all views together tell it: what every later judgement starts from. */
export type Picture = {
  readonly up: readonly UpMember[]
  /** Node id of each pod: its own word, else what the status remembers. */
  readonly idOf: Readonly<Record<string, string>>
  readonly podOf: Readonly<Record<string, string>>
  readonly shards: readonly ShardPicture[]
  /** Slots that nobody owns. */
  readonly unowned: readonly SlotRange[]
  /** Slots of nodes that are no pod's and that nobody follows: their owners are gone, and nobody knows of which shard. */
  readonly orphaned: readonly SlotRange[]
  /** Every server that answers has the same map of slots, and it is this one. */
  readonly viewsAgree: boolean
}

type Claim = { readonly nodeId: string; readonly epoch: number; readonly ranges: readonly SlotRange[] }

/**
 * Puts all views together. A node's own word counts for itself; of the silent, the word with the highest epoch. The
 * order in which anything was seen is of no consequence.
 */
export function assess(desired: Desired, snapshot: Snapshot, history: History): Picture {
  const members = snapshot.members.toSorted((a, b) => a.shard - b.shard || a.index - b.index)
  const up = members.filter(isUp)
  const idOf: Record<string, string> = { ...history.nodes }
  for (const member of up) idOf[member.pod] = member.contact.view.nodeId
  const podOf: Record<string, string> = {}
  for (const [pod, id] of Object.entries(history.nodes)) podOf[id] = pod
  for (const member of up) podOf[member.contact.view.nodeId] = member.pod
  const claims = claimsOf(up)
  const owned = ownersOf(claims)
  const shards = Array.from({ length: desired.shards }, (_, shard) =>
    shardPicture(
      shard,
      members.filter((member) => member.shard === shard),
      { owned, claims, podOf, history },
    ),
  )
  return {
    up,
    idOf,
    podOf,
    shards,
    unowned: uncovered([...owned.values()].flat()),
    orphaned: [...owned]
      .filter(([id]) => podOf[id] === undefined && shards.every((shard) => shard.primaryId !== id))
      .flatMap(([, ranges]) => ranges),
    viewsAgree:
      new Set([
        signature([...owned].map(([nodeId, ranges]) => ({ nodeId, ranges }))),
        ...up.map((member) => signature(rowClaims(member))),
      ]).size <= 1,
  }
}

function rowClaims(member: UpMember): readonly { nodeId: string; ranges: readonly SlotRange[] }[] {
  return member.contact.view.rows
    .filter((row) => row.slots.length > 0)
    .map((row) => ({ nodeId: row.nodeId, ranges: row.slots }))
}

function signature(claims: readonly { readonly nodeId: string; readonly ranges: readonly SlotRange[] }[]): string {
  return claims
    .map((claim) => `${claim.nodeId}:${formatRanges(claim.ranges)}`)
    .toSorted()
    .join(' ')
}

function claimsOf(up: readonly UpMember[]): readonly Claim[] {
  const own = new Map<string, Claim>()
  const heard = new Map<string, Claim>()
  const claim = (row: NodeRow): Claim => ({ nodeId: row.nodeId, epoch: row.configEpoch, ranges: row.slots })
  for (const member of up) {
    for (const row of member.contact.view.rows) {
      if (row.myself) own.set(row.nodeId, claim(row))
      else if (row.configEpoch >= (heard.get(row.nodeId)?.epoch ?? -1) && row.slots.length > 0)
        heard.set(row.nodeId, claim(row))
    }
  }
  return [...own.values(), ...[...heard.values()].filter((one) => !own.has(one.nodeId))].filter(
    (one) => one.ranges.length > 0,
  )
}

/** Who owns which slots: where two claim one, the higher epoch has it, as among the nodes themselves. */
function ownersOf(claims: readonly Claim[]): ReadonlyMap<string, readonly SlotRange[]> {
  const owned: (readonly [string, readonly SlotRange[]])[] = []
  for (const claim of claims.toSorted((a, b) => b.epoch - a.epoch || (a.nodeId < b.nodeId ? 1 : -1))) {
    const ranges = common(claim.ranges, uncovered(owned.flatMap(([, taken]) => taken)))
    if (ranges.length > 0) owned.push([claim.nodeId, ranges])
  }
  return new Map(owned.toSorted(([, a], [, b]) => (a[0]?.first ?? 0) - (b[0]?.first ?? 0)))
}

type Known = {
  readonly owned: ReadonlyMap<string, readonly SlotRange[]>
  readonly claims: readonly Claim[]
  readonly podOf: Readonly<Record<string, string>>
  readonly history: History
}

function shardPicture(shard: number, members: readonly Member[], known: Known): ShardPicture {
  const pods = new Set(members.map((member) => member.pod))
  const owners = [...known.owned].filter(([id]) => pods.has(known.podOf[id] ?? ''))
  const followed = followedOutsider(members, known)
  const ids = owners.length > 0 ? owners.map(([id]) => id) : followed === undefined ? [] : [followed]
  const primaryId = ids.toSorted((a, b) => slotCount(known.owned.get(b) ?? []) - slotCount(known.owned.get(a) ?? []))[0]
  const ranges = normalise(ids.flatMap((id) => known.owned.get(id) ?? []))
  const upMembers = members.filter(isUp)
  const primary = upMembers.find((member) => member.contact.view.nodeId === primaryId)
  const primaryPod = primary?.pod ?? (primaryId === undefined ? undefined : known.podOf[primaryId])
  return {
    shard,
    members,
    ranges,
    ...(primaryId === undefined ? {} : { primaryId }),
    ...(primaryPod === undefined ? {} : { primaryPod }),
    primaryUp: primary !== undefined && primary.contact.view.role === 'primary',
    epoch: known.claims.find((claim) => claim.nodeId === primaryId)?.epoch ?? 0,
    attached: upMembers
      .filter(
        (member) =>
          member !== primary &&
          follows(member, primaryId) &&
          member.contact.view.linkUp &&
          !member.contact.view.syncing,
      )
      .map((member) => member.pod),
  }
}

/** With the status erased, a primary that is gone has no pod to its name; its replicas still say whom they follow. */
function followedOutsider(members: readonly Member[], known: Known): string | undefined {
  for (const member of members.filter(isUp)) {
    const followed = ownRow(member)?.primaryId
    if (followed !== undefined && known.owned.has(followed)) return followed
  }
  return undefined
}

type Rows = { readonly own: NodeRow | undefined; readonly byId: ReadonlyMap<string, NodeRow> }

/** Every node is looked up in every view: without this, time would grow with the third power of the nodes. */
const indexes = new WeakMap<readonly NodeRow[], Rows>()

function indexOf(rows: readonly NodeRow[]): Rows {
  const known = indexes.get(rows)
  if (known !== undefined) return known
  const index = { own: rows.find((row) => row.myself), byId: new Map(rows.map((row) => [row.nodeId, row])) }
  indexes.set(rows, index)
  return index
}

/** The row in which a node tells of itself. */
export function ownRow(member: UpMember): NodeRow | undefined {
  return indexOf(member.contact.view.rows).own
}

/** Whether a node says of itself that it owns slots. */
export function ownsSlots(member: UpMember): boolean {
  return (ownRow(member)?.slots.length ?? 0) > 0
}

/** The shard that findings and operations name like that: `shard 1`. */
export function shardNamed({ shards }: Picture, name: string): ShardPicture | undefined {
  return shards.find(({ shard }) => `shard ${shard}` === name)
}

/** The row in which `member` tells of a node. */
export function rowOf(member: UpMember, nodeId: string): NodeRow | undefined {
  return indexOf(member.contact.view.rows).byId.get(nodeId)
}

/** Whether a server is a replica of that node. */
export function follows(member: UpMember, primaryId: string | undefined): boolean {
  return primaryId !== undefined && member.contact.view.role === 'replica' && ownRow(member)?.primaryId === primaryId
}

/** How `member` lists `other`: not at all or not as a full member, at another address than it has now, or well. */
export function listing(member: UpMember, other: UpMember): 'Unknown' | 'Stale' | 'Known' {
  const row = rowOf(member, other.contact.view.nodeId)
  if (row === undefined || row.flags.includes('handshake') || row.flags.includes('noaddr')) return 'Unknown'
  return row.connected || other.kube?.ip === undefined || row.address === other.kube.ip ? 'Known' : 'Stale'
}

/**
 * Whether `member` lists `other` as a full member at the address where it really is. A link that is down for a moment
 * is the nodes' own business: they dial it again by themselves.
 */
export function knows(member: UpMember, other: UpMember): boolean {
  return listing(member, other) === 'Known'
}
