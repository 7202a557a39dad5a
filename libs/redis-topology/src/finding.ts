/** What can be found wrong, gravest first: the first one found names the state. */
export const FINDING_TYPES = [
  'DeletionRequested',
  'RestoreOrdered',
  'HistoryDisputed',
  'DataMissing',
  'MajorityUnproven',
  'PrimaryDown',
  'PodsMissing',
  'NodeLost',
  'NodesIsolated',
  'SlotsUnassigned',
  'SlotsDisputed',
  'SlotsOpen',
  'PrimaryLeaving',
  'AddressesStale',
  'DataGivenUp',
  'ForeignNode',
  'ReplicasMissing',
  'NodesStale',
  'SettingsDrifted',
  'Blocked',
] as const

/** A kind of finding. */
export type FindingType = (typeof FINDING_TYPES)[number]

/** Something wrong, about a shard (`shard 1`), a pod, a node id or the whole cluster. */
export type ClusterFinding = {
  readonly type: FindingType
  readonly about: string
  readonly message: string
  readonly shard?: number
  readonly pod?: string
  /** For Blocked: the reason of the condition Stalled. */
  readonly reason?: string
}

/** Findings in the order of their gravity; stable among equals. */
export function byGravity(findings: readonly ClusterFinding[]): readonly ClusterFinding[] {
  return findings.toSorted((a, b) => FINDING_TYPES.indexOf(a.type) - FINDING_TYPES.indexOf(b.type))
}
