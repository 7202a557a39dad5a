import type { ClusterStatus } from '@slotkeeper/events'
import type { ClusterCommand } from '@slotkeeper/redis-topology'
import type { ClusterObject } from './cluster-object.ts'
import type { AppCommand } from './decide.ts'
import type { Generation } from './generation.ts'
import type { Observed } from './observe.ts'
import type { PodSettings } from './resources/stateful-set.ts'
import { type MembersRecord, wantedObjects } from './resources/wanted-objects.ts'
import { stuckPods } from './stuck-pods.ts'

/** What the objects of a cluster follow from. */
type Objects = {
  readonly object: ClusterObject
  readonly observed: Observed
  readonly status: ClusterStatus
  readonly settings: PodSettings
  readonly sets: Generation['sets']
}

/** Objects that are to be made, put right, or taken away. */
export function objectCommands(
  { object, observed, status, settings, sets }: Objects,
  complete: (command: ClusterCommand) => AppCommand,
): readonly AppCommand[] {
  const { namespace, name, uid } = object.metadata
  const commands: AppCommand[] = []
  const wantedNow = wantedObjects({ namespace, name, uid }, object.spec, membersRecord(status), settings)
  // Two budgets over one pod would block every eviction. Other kinds hold data or addresses: they are never deleted here.
  for (const one of Object.values(observed.owned))
    if (
      one.kind === 'PodDisruptionBudget' &&
      one.ownerUid === uid &&
      !wantedNow.some((its) => its.metadata.name === one.name && its.kind === one.kind)
    )
      commands.push(complete({ type: 'DeleteObject', kind: one.kind, name: one.name, uid: one.uid }))
  for (const wanted of wantedNow) {
    const found = observed.owned[`${wanted.kind}/${wanted.metadata.name}`]
    if (found !== undefined && found.ownerUid !== uid) continue
    const isLeft = sets === 'None' || (sets === 'Missing' && found !== undefined)
    if (wanted.kind === 'StatefulSet' && isLeft) continue
    // Written a moment ago, and the watch has not shown it yet.
    if (observed.behind.includes(`${wanted.kind}/${wanted.metadata.name}`)) continue
    if (found?.specHash === (wanted.metadata['annotations'] as Record<string, string>)['slotkeeper.dev/spec-hash'])
      continue
    commands.push({
      ...complete({ type: 'ApplyObject', kind: wanted.kind, name: wanted.metadata.name }),
      object: wanted,
    })
  }
  const late = [...commands.flatMap((one) => ('name' in one ? [one.name] : [])), ...observed.behind.map(nameIn)]
  commands.push(...stuckPods(observed.snapshot.members, name, object.spec, late).map(complete))
  return commands
}

/** The name in `Kind/name`. */
function nameIn(path: string): string {
  return path.slice(path.indexOf('/') + 1)
}

function membersRecord(status: ClusterStatus): MembersRecord | null {
  if (status.formedAt === undefined) return null
  const topology = status.topology ?? []
  return {
    formedAt: status.formedAt,
    nodes: Object.assign({}, ...topology.map((shard) => shard.nodes)) as Record<string, string>,
    addresses: Object.assign({}, ...topology.map((shard) => shard.addresses ?? {})) as Record<string, string>,
    ...(status.restored?.formedAt === undefined ? {} : { restored: status.restored }),
  }
}
