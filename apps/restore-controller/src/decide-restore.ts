import { failuresInWords } from '@slotkeeper/agents'
import { FINALIZER } from '@slotkeeper/api'
import type { Decision, Input } from '@slotkeeper/controller'
import { type EventTrouble, release, statusToWrite } from '@slotkeeper/controller-host'
import { restoreChanges, type RestoreEvent, type RestoreStatus } from '@slotkeeper/events'
import {
  isInPlace,
  nextRestore,
  planRestore,
  type RestoreCase,
  restoreMetaOf,
  type RestoreState,
} from '@slotkeeper/restore'
import type { AppCommand } from './app-command.ts'
import { type RestoreObject, sourceInWords } from './restore-object.ts'

/** What is seen of a restore. */
export type ObservedRestore = Pick<RestoreCase, 'backup' | 'storage' | 'target' | 'rivals' | 'claims' | 'runs'>

/** Above what a deletion may take at most: after this it goes though what is told could not be spilled. */
const DELETION_PATIENCE_MS = 300_000
const LOOK_MS: Readonly<Record<RestoreState, number>> = {
  Waiting: 10_000,
  Copying: 10_000,
  Inspecting: 2_000,
  Confirming: 30_000,
  Seeding: 2_000,
  Starting: 2_000,
  Verifying: 2_000,
  Completed: 60_000,
  Failed: 30_000,
  Deleting: 500,
}

/** PURE: what became of the agents and of the cluster -> state -> next status -> events -> commands. */
export function decideRestore(
  { object, observed, failures, now }: Input<RestoreObject, ObservedRestore>,
  eventTrouble: EventTrouble | null,
): Decision<RestoreStatus, AppCommand, RestoreEvent> {
  const { metadata, spec } = object
  const { namespace, name, uid, generation, creationTimestamp = '', deletionTimestamp, finalizers = [] } = metadata
  const given: RestoreCase = {
    restore: {
      namespace,
      name,
      uid,
      hasFinalizer: finalizers.includes(FINALIZER),
      createdAt: Date.parse(creationTimestamp),
      ...(deletionTimestamp === undefined ? {} : { deletionAt: Date.parse(deletionTimestamp) }),
    },
    spec,
    status: object.status,
    ...observed,
    trouble: failuresInWords(failures),
    now,
  }
  const { status: next, finding } = nextRestore(given)
  const state = next.state as RestoreState
  const message = next.message ?? given.trouble ?? restoreMetaOf(state).sentence
  const isReady = state === 'Completed'
  const about = { message, generation, now, trouble: eventTrouble, isReady, isStalled: state === 'Failed' }
  const status = statusToWrite(next, about)
  const target = spec.target.cluster.name
  const of = { kind: 'restore', namespace, name, uid }
  const extra = {
    of,
    target,
    inPlace: isInPlace(spec),
    ...(status.spec === undefined ? {} : { targetSpec: status.spec }),
    ...(observed.storage === null ? {} : { storage: observed.storage.spec }),
  }
  const commands = planRestore(given, status).map((command): AppCommand => ({ ...command, ...extra }))
  const releases = release(object, of, now, DELETION_PATIENCE_MS).map((one): AppCommand => ({
    ...one,
    target,
    inPlace: isInPlace(spec),
  }))
  return {
    findings: finding === 'Sound' ? [] : [{ type: finding, about: name, message }],
    status,
    events: restoreChanges(object.status, status, { cluster: target, source: sourceInWords(spec) }),
    commands: [...commands, ...releases],
    lookAgainInMs: LOOK_MS[state],
  }
}
