/** Slots from first to last, both included. */
type Ranges = readonly { readonly first: number; readonly last: number }[]

/** One command in the words of the wire. */
export type Words = readonly string[]

/** The commands by which a cluster is formed and healed. None does harm when a server is sent it twice. */
export const clusterCalls = {
  /** For a node of a cluster in formation: its timeout in milliseconds, and an epoch that no other one has. */
  prepare: (nodeTimeoutMs: number, epoch: number): readonly Words[] => [
    ['CONFIG', 'SET', 'cluster-node-timeout', String(nodeTimeoutMs)],
    ['CLUSTER', 'SET-CONFIG-EPOCH', String(epoch)],
  ],
  /** For a server that knows nobody: the epoch that it begins with. Any other refuses. */
  beginWith: (epoch: number): Words => ['CLUSTER', 'SET-CONFIG-EPOCH', String(epoch)],
  /** Introduces a node. The server answers before anything has happened. */
  meet: (ip: string, port: number, busPort: number): Words => ['CLUSTER', 'MEET', ip, String(port), String(busPort)],
  /** Gives a node slots that nobody owns. */
  addSlots: (ranges: Ranges): Words => ['CLUSTER', 'ADDSLOTSRANGE', ...boundsOf(ranges)],
  /** Has a replica list slots with nobody, until it hears of their owner again. A primary would no longer serve them. */
  unlistSlots: (ranges: Ranges): Words => ['CLUSTER', 'DELSLOTSRANGE', ...boundsOf(ranges)],
  /** Gives a node slots that a lost node owned; its epoch is to be raised before. */
  takeSlots: (ranges: Ranges, release: Ranges): readonly Words[] => [
    ...(release.length === 0 ? [] : [['CLUSTER', 'DELSLOTSRANGE', ...boundsOf(release)]]),
    ['CLUSTER', 'ADDSLOTSRANGE', ...boundsOf(ranges)],
  ],
  /**
   * Gives a primary an epoch above every one that it has heard of; the answer is STILL where it has that already. To be
   * sent only to the one owner that all agree on: a former owner would take its slots back with it.
   */
  raiseEpoch: (): Words => ['CLUSTER', 'BUMPEPOCH'],
  /** Closes the connections of ordinary clients, but for the one that this is sent on. */
  sendAway: (): readonly Words[] => [
    ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'],
    ['CLIENT', 'KILL', 'TYPE', 'pubsub'],
  ],
  /** Makes a node follow a primary that it knows. */
  replicate: (primaryId: string): Words => ['CLUSTER', 'REPLICATE', primaryId],
  /** Sent to a replica: the role moves with the primary's help, and no write is lost. */
  handOver: (): Words => ['CLUSTER', 'FAILOVER'],
  /** Sent to a replica: it takes the role by the votes of the others, without asking the primary. */
  failOver: (): Words => ['CLUSTER', 'FAILOVER', 'FORCE'],
  /** Sent to a replica: it takes the role with nobody's votes. */
  takeOver: (): Words => ['CLUSTER', 'FAILOVER', 'TAKEOVER'],
  /** On the server that is to have a slot: it serves what it is sent for it, and hears of no other owner of it. */
  importSlot: (slot: number, ownerId: string): Words => ['CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', ownerId],
  /** On the owner: whoever asks for a key that it no longer has is sent to the other server. */
  migrateSlot: (slot: number, targetId: string): Words => ['CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', targetId],
  /** Names the owner of a slot. On an importing server that names itself: it takes the slot, with a new epoch. */
  nameOwner: (slot: number, ownerId: string): Words => ['CLUSTER', 'SETSLOT', String(slot), 'NODE', ownerId],
  /** Takes the marks of a slot away. */
  closeSlot: (slot: number): Words => ['CLUSTER', 'SETSLOT', String(slot), 'STABLE'],
  /** How many keys of a slot a server holds, whoever owns it. */
  countKeys: (slot: number): Words => ['CLUSTER', 'COUNTKEYSINSLOT', String(slot)],
  /** Removes a node from the server's table. */
  forget: (nodeId: string): Words => ['CLUSTER', 'FORGET', nodeId],
  /** Reads settings of the running server. */
  get: (names: readonly string[]): Words => ['CONFIG', 'GET', ...names],
  /** Sets one setting on the running server. */
  set: (name: string, value: string): Words => ['CONFIG', 'SET', name, value],
} as const

function boundsOf(ranges: Ranges): Words {
  return ranges.flatMap(({ first, last }) => [String(first), String(last)])
}
