import { assess } from '../src/assess.ts'
import type { NodeRow } from '../src/cluster-nodes.ts'
import { type Case, diagnose } from '../src/diagnose.ts'
import { evenRanges } from '../src/slots.ts'
import type { Desired, History, Member, NodeView, PodView, Snapshot } from '../src/snapshot.ts'

/** A cluster of three shards with two members each, as wanted. */
export const desired: Desired = {
  shards: 3,
  membersPerShard: 2,
  nodeTimeoutMs: 5000,
  settings: {},
  mayStartEmpty: [],
  restored: false,
  adopted: false,
  releasePodsAfterMs: null,
  consented: [],
}
/** What the status of a cluster that never was remembers. */
export const noHistory: History = {
  unreadyMs: 0,
  nodes: {},
  slots: {},
  epochs: {},
  attached: [],
  incarnations: {},
  hosts: {},
}
/** The node id of a member. */
export const idOf = (shard: number, index: number): string => `${shard}${index}`.padEnd(40, '0')
/** A pod whose server runs. */
export const kube: PodView = {
  uid: 'u',
  ip: '10.0.0.1',
  deleting: false,
  ready: true,
  running: true,
  containerId: 'containerd://aaaaaaaaaaaaffff',
  terminated: [],
  restarts: 0,
}

type Shape = { readonly formed: boolean; readonly epochs?: boolean }

function rowsFor(me: string, { formed }: Shape): readonly NodeRow[] {
  return [0, 1, 2].flatMap((shard) =>
    [0, 1].map((index): NodeRow => {
      const nodeId = idOf(shard, index)
      const replica = formed && index === 1
      return {
        nodeId,
        address: '10.0.0.1',
        port: 6379,
        myself: nodeId === me,
        role: replica ? 'replica' : 'primary',
        ...(replica ? { primaryId: idOf(shard, 0) } : {}),
        flags: [],
        configEpoch: formed ? shard + 1 : 0,
        connected: true,
        slots: formed && index === 0 ? [evenRanges(3)[shard] ?? { first: 0, last: 0 }] : [],
        open: [],
      }
    }),
  )
}

function view(shard: number, index: number, shape: Shape): NodeView {
  const nodeId = idOf(shard, index)
  return {
    nodeId,
    version: '9.1.2',
    role: shape.formed && index === 1 ? 'replica' : 'primary',
    loading: false,
    linkUp: true,
    linkDownSeconds: 0,
    syncing: false,
    offset: 100,
    keys: 0,
    currentEpoch: shape.formed ? 3 : 0,
    clusterOk: shape.formed,
    rows: rowsFor(nodeId, shape),
    settings: { 'cluster-node-timeout': '5000', 'cluster-replica-no-failover': 'no' },
  }
}

/** Six servers that answer and know each other; `change` makes of a member what a test needs. */
export function snapshot(
  shape: Shape,
  change: (member: Member) => Member = (member) => member,
  inboundLinks: Snapshot['inboundLinks'] = {},
): Snapshot {
  const members = [0, 1, 2].flatMap((shard) =>
    [0, 1].map((index): Member =>
      change({
        pod: `c-${shard}-${index}`,
        shard,
        index,
        kube,
        contact: { type: 'up', view: view(shard, index, shape) },
      }),
    ),
  )
  return { members, inboundLinks }
}

/** What the status of such a cluster remembers once it was formed. */
export const remembered: History = {
  formedAt: '2026-01-01T00:00:00Z',
  unreadyMs: 0,
  nodes: Object.fromEntries(
    [0, 1, 2].flatMap((shard) => [0, 1].map((index) => [`c-${shard}-${index}`, idOf(shard, index)])),
  ),
  slots: { 0: '0-5460', 1: '5461-10922', 2: '10923-16383' },
  epochs: { 0: 1, 1: 2, 2: 3 },
  attached: ['c-0-1', 'c-1-1', 'c-2-1'],
  hosts: {},
  incarnations: { 'c-0-0': 'aaaaaaaaaaaa', 'c-1-0': 'aaaaaaaaaaaa' },
}

/** The case of a snapshot. */
export function caseOf(snap: Snapshot, history: History): Case {
  return { desired, snapshot: snap, history, picture: assess(desired, snap, history) }
}

/** The types of what is found, gravest first. */
export const types = (given: Case): readonly string[] => diagnose(given).map((finding) => finding.type)
