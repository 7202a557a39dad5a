import { failuresInWords } from '@slotkeeper/agents'
import { ANNOTATION, FINALIZER, shortHash } from '@slotkeeper/api'
import {
  nextCheckAt,
  nextStorage,
  planStorage,
  readability,
  type STORAGE_STATES,
  type StorageCase,
  storageSentence,
} from '@slotkeeper/backup'
import type { Decision, Input } from '@slotkeeper/controller'
import { type EventTrouble, release, statusToWrite } from '@slotkeeper/controller-host'
import { storageChanges, type StorageEvent, type StorageStatus } from '@slotkeeper/events'
import type { AppCommand } from './app-command.ts'
import { type StorageObject, whereIs } from './storage-object.ts'

/** What is seen of a storage. */
export type ObservedStorage = Pick<StorageCase, 'runs' | 'backups'>

const DELETION_PATIENCE_MS = 30_000
/** What a person writes that the status holds as it is: not longer than its schema takes, and the same when it is read again. */
const KEPT_WORD = /^[\x20-\x7e]{0,64}$/
const LOOK_MS = { least: 500, most: 60_000 } as const

/** PURE: what became of the agent that tries it -> next status -> events -> commands. */
export function decideStorage(
  { object, observed, failures, now }: Input<StorageObject, ObservedStorage>,
  eventTrouble: EventTrouble | null,
): Decision<StorageStatus, AppCommand, StorageEvent> {
  const { namespace, name, uid, generation, deletionTimestamp, finalizers = [], annotations } = object.metadata
  const asked = wordOf(annotations?.[ANNOTATION.check])
  const hasFinalizer = finalizers.includes(FINALIZER)
  const given: StorageCase = {
    storage: {
      namespace,
      name,
      uid,
      generation,
      hasFinalizer,
      ...(deletionTimestamp === undefined ? {} : { deletionAt: Date.parse(deletionTimestamp) }),
      ...(asked === undefined ? {} : { asked }),
    },
    status: object.status,
    ...observed,
    trouble: failuresInWords(failures),
    now,
  }
  const next = nextStorage(given)
  const state = next.state as keyof typeof STORAGE_STATES
  const message = next.message ?? storageSentence(state, object.spec.encryption !== undefined)
  const status = statusToWrite(next, {
    message,
    generation,
    now,
    trouble: eventTrouble,
    isReady: state === 'Usable' && next.checkedGeneration === generation,
    isStalled: state === 'Unusable',
    others: readability(next),
  })
  const of = { kind: 'storage', namespace, name, uid } as const
  const commands = planStorage(given, status).map((command): AppCommand => ({ ...command, of, storage: object.spec }))
  const waits = observed.runs.some((one) => one.state === 'running')
  const dueInMs = nextCheckAt(status) - now
  return {
    findings: state === 'Usable' ? [] : [{ type: state, about: name, message }],
    status,
    events: storageChanges(object.status, status, whereIs(object.spec)),
    commands: [...commands, ...release(object, of, now, DELETION_PATIENCE_MS)],
    lookAgainInMs: waits ? LOOK_MS.most : Math.min(LOOK_MS.most, Math.max(LOOK_MS.least, dueInMs)),
  }
}

/**
 * What the status says of a word that a person has written: another one for another word. Letters beyond ASCII are written
 * out, since half of one does not come back as it was.
 */
function wordOf(written: string | undefined): string | undefined {
  if (written === undefined || KEPT_WORD.test(written)) return written
  const ascii = written.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`)
  return `${ascii.slice(0, 55)}-${shortHash(ascii).toString(16).padStart(8, '0')}`
}
