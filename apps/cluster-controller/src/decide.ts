import { hash } from '@slotkeeper/annotation-hash'
import { ANNOTATION, type Condition, defined, FINALIZER } from '@slotkeeper/api'
import { type Decision, type Input, type Key, lettingGo } from '@slotkeeper/controller'
import type { EventTrouble } from '@slotkeeper/controller-host'
import { type ChangeContext, changes, type ClusterEvent, type ClusterStatus, withOperationId } from '@slotkeeper/events'
import {
  allows,
  byGravity,
  type Case,
  type ClusterCommand,
  type ClusterFinding,
  type ClusterState,
  diagnose,
  everFormed,
  intentFor,
  isFinished,
  isFormedState,
  isRestoring,
  isUp,
  type Member,
  nextState,
  OUT_OF_SERVICE_TAINT,
  outlived,
  plan,
  stageOf,
  takesItsTime,
} from '@slotkeeper/redis-topology'
import { caseOf } from './case-of.ts'
import { changeContext } from './change-context.ts'
import type { ClusterObject } from './cluster-object.ts'
import { conditionsOf } from './conditions.ts'
import { type Generation, generationOf, replacement, wholeOf } from './generation.ts'
import { nextOpenSlots, nextTopology, plainStatus } from './next-status.ts'
import { objectCommands } from './object-commands.ts'
import type { Observed } from './observe.ts'
import { overrideOf } from './override.ts'
import { volumeRemedy } from './left-volumes.ts'
import type { PodSettings } from './resources/stateful-set.ts'
import type { WantedObject } from './resources/wanted-objects.ts'
import { waitingShards } from './waiting-shards.ts'

/** A command with everything that `act` needs to carry it out. */
export type AppCommand = ClusterCommand & {
  readonly cluster: Key & { readonly uid: string }
  readonly object?: WantedObject
  /** For RemoveFinalizer: what could not be spilled is given up. */
  readonly anyway?: boolean
  /** Where the pods' servers were, and which nodes those that answered said they are. */
  readonly ips: Readonly<Record<string, { readonly ip: string; readonly uid: string; readonly nodeId?: string }>>
}
type Operation = NonNullable<ClusterStatus['operation']>

/** What deciding depends on beside its input. */
export type DecideSettings = PodSettings & {
  /** After this long a lost machine no longer keeps pods without volumes from being replaced. */
  readonly nodeLossMs: number
  readonly eventTrouble: (object: ClusterObject) => EventTrouble | null
}

/** Failures that only a person can end. */
const STALLING_FAILURES: readonly string[] = ['NameTaken', 'ConfigRefused', 'RestoreHeld', 'InvariantBroken']
/** Answers of the API server that do not change by themselves, and how often they are taken for a passing trouble. */
const LASTING_FAILURES: readonly string[] = ['Invalid', 'Forbidden', 'TooLarge']
const PATIENCE_WITH_FAILURES = 3

/** The same words at every look: they stand in a condition. */
const UNTIL = '<time, at most an hour ahead, like 2026-01-31T12:00:00Z>'

/** An operation that has not reached its end after this long is given up, and looked at anew. */
const OPERATION_PATIENCE_MS = 15_000

/** After this long a cluster goes whatever of its history could not be told. */
const DELETION_PATIENCE_MS = 30_000

/** PURE: diagnose -> nextState -> nextStatus -> changes -> plan. */
export function decide(
  input: Input<ClusterObject, Observed>,
  settings: DecideSettings,
): Decision<ClusterStatus, AppCommand, ClusterEvent> {
  const { object, now } = input
  if (object.metadata.deletionTimestamp !== undefined) return decideDeletion(input)
  const consent = overrideOf(object, [], now)
  const generation = generationOf(input, consent.override?.shards ?? [])
  const { seen } = generation
  const given = caseOf(seen, consent.override?.shards ?? [], settings.nodeLossMs)
  const formedBefore = everFormed(given)
  // One that began with data is formed before it is there: until it was whole, its Secrets may be made, and nothing of it is lost.
  const wholeBefore = formedBefore && !isRestoring(given)
  // A restore in place leaves Secrets and bindings as they are.
  const everWhole = wholeBefore || formedAtOf(input) !== undefined
  const findings = byGravity([
    ...generation.findings,
    ...diagnose(given).map((one) => withRemedy(one, consent.problem)),
    ...blockedBy(seen, everWhole),
  ])
  const sound = findings.every((one) => one.type === 'Blocked')
  const formed = wholeBefore || sound
  const state = stateAfter(object, given, findings, wholeBefore)
  const operation = nextOperation(given, findings, { formed: formedBefore, paused: object.spec.paused === true, now })
  const started = givenUpShards(object, operation, given)
  const conditions = conditionsOf({
    object,
    now,
    formed,
    state,
    findings,
    picture: given.picture,
    members: seen.observed.snapshot.members,
    eventTrouble: settings.eventTrouble(object),
  })
  const draft: ClusterStatus = defined({
    state,
    ...plainStatus(object, given.picture, formed || everWhole),
    specHash: hash(object.spec),
    ...wholeness(input, generation, sound),
    topology: nextTopology(given.picture, seen.object.status),
    operation: operation.next,
    openSlots: nextOpenSlots(given, seen.object.status, operation.next),
    override: overrideOf(object, started, now).override,
    conditions,
  })
  const context = changeContext({
    ...seen,
    given,
    findings,
    formedBefore: wholeBefore,
    ...defined({ abandoned: operation.abandoned }),
    overrideUsed: started,
  })
  const status = withOperationId(object.status, draft, context, lifeOf(object.status, now))
  const events = changes(object.status, status, context)
  // After a decision that broke a law of ours, nothing is done until a pass decides otherwise.
  const still = object.spec.paused === true || input.failures.some((one) => one.reason === 'InvariantBroken')
  const known = { given, findings, formed: formedBefore, everWhole, generation }
  const commands = still ? [] : commandsFor({ ...seen, ...known, status, settings })
  return {
    findings,
    status,
    events,
    commands: commands.filter((command) => allows(state, command.type)),
    lookAgainInMs: lookAgain(state, findings, commands.length, conditions),
  }
}

/** The state that follows; an order to restore in place is met by a cluster in any state that was formed. */
function stateAfter(
  { status }: ClusterObject,
  given: Case,
  findings: readonly ClusterFinding[],
  wholeBefore: boolean,
): ClusterState {
  // What blocks a cluster that was never whole is told by its condition; its state goes on to say how far it came.
  const gravest = findings.find((one) => wholeBefore || one.type !== 'Blocked')?.type ?? 'Sound'
  const before = status?.state ?? ''
  const isOrder = gravest === 'RestoreOrdered' && isFormedState(before)
  return nextState(before, isOrder ? 'Formed' : stageOf(given), gravest)
}

/** When the cluster was formed, by what is recorded: whatever was restored into it since. */
function formedAtOf({ object, observed }: Input<ClusterObject, Observed>): string | undefined {
  return object.status?.formedAt ?? observed.snapshot.recordedFormedAt
}

/** When it was whole first, and when with the data of a restore in place: it may be so now. */
function wholeness(
  input: Input<ClusterObject, Observed>,
  { restored }: Generation,
  sound: boolean,
): Pick<ClusterStatus, 'formedAt' | 'restored'> {
  const soundAt = sound ? { formedAt: new Date(input.now).toISOString() } : {}
  const formedAt = formedAtOf(input)
  return {
    ...(formedAt === undefined ? soundAt : { formedAt }),
    ...(restored === undefined ? {} : { restored: wholeOf({ ...soundAt, ...restored }) }),
  }
}

/** The shard for which what a consent allows has just been seen to its end. */
function givenUpShards(object: ClusterObject, operation: NextOperation, { picture }: Case): readonly number[] {
  const before = object.status?.operation
  if (before === undefined || operation.next !== undefined || operation.abandoned !== undefined) return []
  if (!['StartEmpty', 'TakeOver', 'FailOver'].includes(before.type)) return []
  return picture.shards
    .filter((one) => `shard ${one.shard}` === before.target || one.primaryPod === before.target)
    .map((one) => one.shard)
}

/** Lost data is told with what could bring it back, and with the way to give it up. */
function withRemedy(finding: ClusterFinding, problem: string | undefined): ClusterFinding {
  if (finding.type === 'MajorityUnproven') {
    const give = problem ?? `accept the loss with the annotation ${ANNOTATION.acceptDataLoss}=<shards>@${UNTIL}`
    return {
      ...finding,
      message: `${finding.message}. Bring their nodes back, taint those that are switched off (${OUT_OF_SERVICE_TAINT}), or ${give}`,
    }
  }
  if (finding.type === 'SlotsDisputed')
    return { ...finding, message: `${finding.message}. Delete the copies that are not wanted: docs/open-slots.md` }
  if (finding.type !== 'DataMissing') return finding
  const give = problem ?? `give it up with the annotation ${ANNOTATION.acceptDataLoss}=${finding.shard}@${UNTIL}`
  return { ...finding, message: `${finding.message}. Bring back a volume or a pod that holds it, or ${give}` }
}

/** The life and sequence that the runtime will number the events by. */
function lifeOf(before: ClusterObject['status'], now: number): { readonly life: number; readonly seq: number } {
  return before?.lifecycle ?? { life: now, seq: 0 }
}

function blockedBy(
  { object, observed, failures, now }: Input<ClusterObject, Observed>,
  formed: boolean,
): readonly ClusterFinding[] {
  const findings: ClusterFinding[] = []
  const foreign = Object.values(observed.owned).find((one) => one.ownerUid !== object.metadata.uid)
  if (foreign !== undefined)
    findings.push({
      type: 'Blocked',
      reason: 'NameTaken',
      about: foreign.name,
      message: `${foreign.kind} ${foreign.name} exists and belongs to somebody else: delete or rename it`,
    })
  const missing = observed.secretMissing
  const theirs = missing !== undefined && missing.secret === object.spec.auth?.secretName
  if (missing !== undefined && (formed || theirs)) {
    const remedy = formed
      ? 'restore it from a backup: its content is never made anew for a cluster that has formed'
      : 'create it with the key password'
    findings.push({
      type: 'Blocked',
      reason: 'SecretMissing',
      about: missing.secret,
      message: `${missing.message}; ${remedy}`,
    })
  }
  for (const failure of failures) {
    if (STALLING_FAILURES.includes(failure.reason))
      findings.push({ type: 'Blocked', reason: failure.reason, about: failure.command.type, message: failure.message })
    else if (LASTING_FAILURES.includes(failure.reason) && failure.count > PATIENCE_WITH_FAILURES)
      findings.push({ type: 'Blocked', reason: 'ConfigRefused', about: failure.command.type, message: failure.message })
  }
  const stuck = observed.snapshot.members.find((member) => member.kube?.blocked !== undefined && !isUp(member))
  if (stuck?.kube?.blocked !== undefined)
    findings.push({
      type: 'Blocked',
      reason: stuck.kube.blocked.reason,
      about: stuck.pod,
      message: `${stuck.pod}: ${stuck.kube.blocked.message}${volumeRemedy(stuck, stuck.kube.blocked, object.spec)}`,
    })
  findings.push(...waitingShards(observed.snapshot.members, object.spec, formed, now))
  return findings
}

type NextOperation = { readonly next?: Operation; readonly abandoned?: string }

function nextOperation(
  given: Case,
  findings: readonly ClusterFinding[],
  { formed, paused, now }: { readonly formed: boolean; readonly paused: boolean; readonly now: number },
): NextOperation {
  const current = given.history.operation
  if (current !== undefined && !isFinished(given, findings, formed)) {
    const why = outlived(given, findings)
    if (why !== null) return { abandoned: why }
    if (takesItsTime(current.type) || now - Date.parse(current.since) < OPERATION_PATIENCE_MS) return { next: current }
    return { abandoned: `its end was not seen within ${OPERATION_PATIENCE_MS / 1000} s` }
  }
  if (current !== undefined) return {}
  const intent = paused ? null : intentFor(given, findings, formed)
  return intent === null ? {} : { next: { id: '', since: new Date(now).toISOString(), ...intent } }
}

type Commanding = {
  readonly given: Case
  readonly findings: readonly ClusterFinding[]
  readonly formed: boolean
  readonly everWhole: boolean
  readonly generation: Generation
  readonly status: ClusterStatus
  readonly object: ClusterObject
  readonly observed: Observed
  readonly settings: PodSettings
}

function commandsFor(input: Commanding): readonly AppCommand[] {
  const { object, observed, status, given, findings, formed } = input
  const { namespace, name, uid } = object.metadata
  const ips = Object.fromEntries(
    observed.snapshot.members.flatMap((member) =>
      member.kube?.ip === undefined ? [] : [[member.pod, placeOf(member, member.kube.ip, member.kube.uid)]],
    ),
  )
  const cluster = { namespace, name, uid }
  const complete = (command: ClusterCommand): AppCommand => ({ ...command, cluster, ips }) as AppCommand
  const commands: AppCommand[] = []
  if (!isHeld(object)) commands.push(complete({ type: 'EnsureFinalizer' }))
  const missing = observed.secretMissing?.secret
  if (missing !== undefined && !input.everWhole && missing !== object.spec.auth?.secretName)
    commands.push(complete({ type: 'ApplyObject', kind: 'Secret', name: missing }))
  // Data first: what restores service is not kept waiting by what is only recorded.
  const operation = status.operation
  const history = { ...given.history }
  const planned = plan(
    operation === undefined ? { ...given, history } : { ...given, history: { ...history, operation } },
    findings,
    formed,
    operation?.id,
  )
  commands.push(...planned.map(complete))
  // Labels are many requests, and nothing waits for them while the cluster is being formed.
  const settled = formed || findings.every((one) => one.type === 'SettingsDrifted')
  if (settled) commands.push(...labelCommands(given, observed.behind, complete))
  commands.push(...objectCommands({ ...input, sets: input.generation.sets }, complete))
  // Last: what waits ends the pass.
  commands.push(...replacement(input.generation, operation).map(complete))
  return commands
}

function labelCommands(
  { picture }: Case,
  behind: readonly string[],
  complete: (command: ClusterCommand) => AppCommand,
): readonly AppCommand[] {
  const roles: Record<string, 'primary' | 'replica'> = {}
  for (const member of picture.up) {
    const owns = picture.shards[member.shard]?.primaryPod === member.pod
    const role = owns ? 'primary' : member.contact.view.role === 'replica' ? 'replica' : undefined
    if (role === undefined || member.kube === null || member.kube.role === role) continue
    if (!behind.includes(`Pod/${member.pod}`)) roles[member.pod] = role
  }
  return Object.keys(roles).length === 0 ? [] : [complete({ type: 'LabelPods', roles })]
}

function placeOf(member: Member, ip: string, uid: string): AppCommand['ips'][string] {
  return isUp(member) ? { ip, uid, nodeId: member.contact.view.nodeId } : { ip, uid }
}

function lookAgain(
  state: ClusterState,
  findings: readonly ClusterFinding[],
  commandCount: number,
  conditions: readonly Condition[],
): number {
  if (findings.length === 0) {
    // Nothing to do, but the servers do not agree yet: nobody wakes us when they do.
    const ready = conditions.some((one) => one.type === 'Ready' && one.status === 'True')
    return !ready ? 250 : commandCount > 0 ? 1_000 : 60_000
  }
  if (state === 'Meeting' || state === 'Slotting') return 50
  if (findings.some((one) => one.type === 'PrimaryDown' || one.type === 'PrimaryLeaving')) return 100
  if (state === 'Creating') return 500
  return state === 'Stalled' ? 2_000 : 250
}

/** Deletion never waits for anything of the cluster: owners' references take the objects, the claims stay as asked. */
function decideDeletion({
  object,
  now,
}: Input<ClusterObject, Observed>): Decision<ClusterStatus, AppCommand, ClusterEvent> {
  const before = object.status
  const { operation: _ended, ...rest } = before ?? { state: 'Creating' }
  const deleting = before?.state === 'Deleting'
  const {
    lifecycle: _lifecycle,
    outbox: _outbox,
    ...kept
  } = rest as ClusterStatus & { lifecycle?: unknown; outbox?: unknown }
  const status: ClusterStatus = { ...kept, state: 'Deleting', ...(deleting ? { deleted: true } : {}) }
  const context: ChangeContext = {
    now,
    retain: object.spec.storage?.retain ?? true,
    finding: { type: 'DeletionRequested', about: object.metadata.name },
    ...(before?.operation === undefined ? {} : { abandoned: 'the cluster is being deleted' }),
  }
  const events = changes(before, status, context)
  const commands = releaseOf(object, now)
  return {
    findings: [{ type: 'DeletionRequested', about: object.metadata.name, message: 'deletion was requested' }],
    status,
    events,
    commands,
    lookAgainInMs: 200,
  }
}

function isHeld({ metadata }: ClusterObject): boolean {
  return metadata.finalizers?.includes(FINALIZER) === true
}

function releaseOf(object: ClusterObject, now: number): readonly AppCommand[] {
  const { status, metadata } = object
  const isTold = (status as { readonly deleted?: boolean } | null)?.deleted === true
  const how = lettingGo(object, { isTold, now, patienceMs: DELETION_PATIENCE_MS })
  if (how === 'No' || !isHeld(object)) return []
  const { namespace, name, uid } = metadata
  return [{ type: 'RemoveFinalizer', cluster: { namespace, name, uid }, ips: {}, anyway: how === 'Anyway' }]
}
