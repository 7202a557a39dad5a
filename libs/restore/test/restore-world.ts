import { redisBackupStorageSpec, redisRestoreSpec, volumeName } from '@slotkeeper/api'
import type { AgentDone, AgentFault, AgentReport, AgentRun, StorageView } from '@slotkeeper/backup'
import { restoreChanges, type RestoreEvent, type RestoreStatus } from '@slotkeeper/events'
import {
  type BackupView,
  type ClaimView,
  heldVolume,
  nextRestore,
  planRestore,
  restoreAllows,
  type RestoreCase,
  type RestoreCommand,
  seededPod,
  type TargetView,
} from '../src/index.ts'

/** How an agent ends: well, with a fault, or without a word. */
export type Ending = 'well' | 'silently' | AgentFault
type Ordered = AgentRun & { readonly order: Extract<RestoreCommand, { type: 'RunAgent' }> }

const CREATED = Date.UTC(2026, 10, 22, 10)
const UID = 'restore-1'
const CLUSTER = 'again'
/** Keys of the backup in the world's storage. */
export const KEYS = 3_000

/** A server that is none of ours, as a source. */
export const FOREIGN = {
  address: 'old.example:6379',
  username: 'copier',
  password: { secretName: 'old', key: 'password' },
  storageName: 'archive',
  consistency: 'shard',
}

/** What the agent says that has looked at the backup. */
export const inspected = (change: object = {}): Extract<AgentDone, { task: 'InspectBackup' }> => ({
  task: 'InspectBackup',
  sha256: 'b'.repeat(64),
  backup: { namespace: 'shop', name: 'nightly', uid: 'backup-1' },
  cluster: { namespace: 'shop', name: 'orders', uid: 'cluster-1' },
  engine: { engine: 'valkey', version: '9.1.2' },
  consistency: 'shard',
  beganAt: '2026-11-21T10:00:00Z',
  endedAt: '2026-11-21T10:00:41Z',
  shards: 3,
  bytes: 700,
  size: 9_000,
  keys: KEYS,
  expiring: 0,
  refusal: null,
  spec: { version: 'valkey-9.1', shards: 3, storage: { size: '1Gi' } },
  ...change,
})

/** The volumes of a cluster that is there before a restore in place. */
export const FORMER: readonly string[] = [0, 1, 2].flatMap((shard) =>
  [0, 1].map((index) => `data-${CLUSTER}-${shard}-${index}`),
)

/** A cluster that is there, and says nothing yet. */
export const STANDING = { inPlace: false, spec: {}, isDeleting: false, isReady: false, message: '', shards: [] }

/** One restore and what is around it: Jobs and a cluster controller that do what they are told, well or badly. */
export class RestoreWorld {
  now = CREATED
  status: RestoreStatus | null = null
  backup: BackupView | null = {
    uid: 'backup-1',
    state: 'Completed',
    storageName: 'archive',
    manifest: 'shop/nightly/1/manifest',
    isDeleting: false,
  }
  storage: StorageView | null = {
    usable: true,
    isTried: true,
    message: '',
    spec: redisBackupStorageSpec.parse({ s3: { bucket: 'backups' } }),
  }
  target: TargetView | null = null
  /** What a cache shows of it, when it lags behind. */
  seen: TargetView | null | undefined
  /** What the API server refuses, in words. */
  trouble: string | null = null
  claims: readonly ClaimView[] = []
  rivals: RestoreCase['rivals'] = []
  deletionAt: number | null = null
  isGone = false
  found = inspected()
  private hasFinalizer = false
  readonly events: RestoreEvent[] = []
  readonly commands: RestoreCommand[] = []
  readonly broken: string[] = []
  /** Claims that a cluster has stood over: what is in them is its data. */
  private readonly served = new Set<string>()
  private get isInPlace(): boolean {
    return this.spec.target.inPlace !== undefined
  }

  /** How often a copy of the source was begun. */
  copies = 0
  /** What is in the volumes, by claim: keys. */
  readonly volumes = new Map<string, number>()
  private agents: Ordered[] = []
  private readonly spec

  constructor(spec: object = {}) {
    this.spec = redisRestoreSpec.parse({
      source: { backup: { name: 'nightly' } },
      target: { cluster: { name: CLUSTER } },
      ...spec,
    })
  }

  /** One into a cluster that is there, serves, and has volumes of its own. */
  static inPlace(change: object = {}, source: object = { backup: { name: 'nightly' } }): RestoreWorld {
    const target = { cluster: { name: CLUSTER }, inPlace: { confirm: 'cluster-1', ...change } }
    const world = new RestoreWorld({ source, target })
    const spec = { version: 'valkey-9.1', shards: 3, storage: { size: '1Gi' } }
    world.claims = FORMER.map((name) => ({ name, uid: name, isDeleting: false }))
    world.stand({ uid: 'cluster-1', spec, formedAt: '2026-11-01T00:00:00Z', isReady: true })
    return world
  }

  /** A person consents to what is lost. */
  confirm(uid: string): void {
    const { inPlace } = this.spec.target
    if (inPlace !== undefined) this.spec.target.inPlace = { ...inPlace, confirm: uid }
  }

  /** One whose source is a running cluster. */
  static ofCluster(): RestoreWorld {
    const world = new RestoreWorld({ source: { cluster: { name: 'orders', storageName: 'archive' } } })
    world.backup = null
    return world
  }

  /** One whose source is a server that is none of ours. */
  static ofServer(template: object): RestoreWorld {
    const world = new RestoreWorld({ source: { server: FOREIGN }, target: { cluster: { name: CLUSTER }, template } })
    world.backup = null
    return world
  }

  get running(): readonly AgentRun[] {
    return this.agents.filter((one) => one.state === 'running')
  }

  given(): RestoreCase {
    const { spec, status, backup, storage, claims, now, hasFinalizer } = this
    const target = this.seen === undefined ? this.target : this.seen
    const deletion = this.deletionAt === null ? {} : { deletionAt: this.deletionAt }
    const restore = { namespace: 'shop', name: 'back', uid: UID, createdAt: CREATED, hasFinalizer, ...deletion }
    return {
      restore,
      spec,
      status,
      backup,
      storage,
      target,
      claims,
      now,
      rivals: this.rivals,
      runs: this.agents,
      trouble: this.trouble,
    }
  }

  /** One pass: decide, commit, act. */
  pass(): readonly RestoreCommand[] {
    const given = this.given()
    const { status } = nextRestore(given)
    this.events.push(...restoreChanges(this.status, status, { cluster: CLUSTER, source: 'nightly' }))
    this.status = status
    const commands = planRestore(given, status)
    this.commands.push(...commands)
    for (const command of commands) this.obey(command)
    // The runtime lets go of what has told its last.
    if (status.deleted === true) this.isGone = true
    return commands
  }

  private obey(command: RestoreCommand): void {
    if (!restoreAllows(this.status?.state ?? '', command.type))
      this.broken.push(`${command.type} is not allowed in ${this.status?.state}`)
    switch (command.type) {
      case 'EnsureFinalizer':
        this.hasFinalizer = true
        return
      case 'CreateBackup':
        return this.copy()
      case 'CreateClaim':
        if (this.claims.every((one) => one.name !== command.claim))
          this.claims = [
            ...this.claims,
            { name: command.claim, uid: command.claim, restoredBy: UID, isDeleting: false },
          ]
        return
      case 'DeleteClaim':
        return this.deleteClaim(command.claim)
      case 'CreateCluster':
        return this.createCluster(command)
      case 'SwitchCluster':
        return this.switchCluster(command)
      case 'WithdrawOrder':
        return this.withdrawOpenOrder()
      case 'DeleteOldClaims':
        return command.claims.forEach(({ name }) => this.deleteOldClaim(name))
      case 'StopAgent':
        this.agents = this.agents.filter((one) => one.job !== command.job)
        this.claims = this.claims.filter((one) => !one.isDeleting || this.isMounted(one.name))
        return
      case 'RunAgent':
        return this.start(command)
    }
  }

  private copy(): void {
    if (this.status?.copy !== undefined) this.broken.push('what was copied once is copied again')
    if (this.backup !== null) return
    this.copies += 1
    const uid = `copy-${this.copies}`
    this.backup = { uid, madeBy: UID, state: 'Streaming', storageName: 'archive', isDeleting: false }
  }

  /** What becomes of the copy that is under way. */
  endCopy(how: 'well' | 'badly'): void {
    const { backup } = this
    if (backup?.madeBy !== UID || backup.state !== 'Streaming') return
    const said = { reason: 'ServerDenied', message: 'NOPERM' }
    const manifest = `shop/${backup.uid}/1/manifest`
    this.backup = how === 'well' ? { ...backup, state: 'Completed', manifest } : { ...backup, state: 'Failed', ...said }
  }

  private start(order: Ordered['order']): void {
    const { job, step, part, attempt } = order
    if (this.agents.some((one) => one.job === job)) return
    const which = part === undefined ? {} : { part }
    const ends = { report: null, isStopping: false, isGone: false } as const
    this.agents.push({ job, uid: job, step, ...which, attempt, state: 'running', ...ends, order })
  }

  private createCluster({ spec }: Extract<RestoreCommand, { type: 'CreateCluster' }>): void {
    if (this.target !== null) return
    if (this.running.length > 0) this.broken.push('the cluster is created while agents write')
    this.checkVolumes(spec)
    this.stand({ uid: 'cluster-2', restoredBy: UID })
  }

  private checkVolumes(spec: object): void {
    const { shards = 0 } = spec as { readonly shards?: number }
    for (let shard = 0; shard < shards; shard += 1)
      if (!this.volumes.has(this.claimIn(shard))) this.broken.push(`shard ${shard} is started empty`)
  }

  private switchCluster({ uid, restoredBy, volume }: Extract<RestoreCommand, { type: 'SwitchCluster' }>): void {
    const { target } = this
    // The API server takes it only for what was looked at.
    if (target === null || target.uid !== uid || target.restoredBy !== restoredBy || target.isDeleting) return
    if (heldVolume(target) !== volume) return
    if (target.orderedBy === UID) return void this.broken.push('what was ordered once is ordered again')
    if (this.spec.target.inPlace?.confirm !== uid) this.broken.push('nobody has consented')
    if (this.running.length > 0) this.broken.push('the cluster is switched while agents write')
    if (this.claims.filter((one) => one.restoredBy === UID && !one.isDeleting).length < 3)
      this.broken.push('the cluster is switched to volumes that are gone')
    this.checkVolumes(target.spec)
    const { former: _before, ...rest } = target
    const order = { restoredBy: UID, orderedBy: UID, inPlace: true, isReady: false, isSwitched: false }
    this.stand({ ...rest, ...order, ...(target.holds === undefined ? {} : { former: target.holds }) })
  }

  /** As the controller does: asks whether the cluster was told to take what was restored, and has not begun. */
  private withdrawOpenOrder(): void {
    const { target } = this
    if (target?.restoredBy === UID && target.isSwitched !== true && target.formedAt !== undefined) this.withdrawOrder()
  }

  /** Takes the order back, as the restore does, or a person. */
  withdrawOrder(): void {
    if (this.target === null) return
    if (this.target.isSwitched === true) this.broken.push('an order is taken back that is followed')
    const { restoredBy: _own, restoreName: _name, former, ...target } = this.target
    const had = former === undefined ? {} : { restoredBy: former.uid, restoreName: former.name }
    this.target = { ...target, isReady: true, inPlace: former !== undefined, ...had }
  }

  private deleteOldClaim(name: string): void {
    if (this.status?.state !== 'Completed') this.broken.push(`${name} is deleted before all keys were seen`)
    if (!FORMER.includes(name)) this.broken.push(`${name} is no volume of before`)
    this.claims = this.claims.filter((one) => one.name !== name)
  }

  /** The claim of a shard's first pod. */
  claimIn(shard: number): string {
    const volume = volumeName({ uid: UID, inPlace: this.spec.target.inPlace !== undefined })
    return `${volume}-${CLUSTER}-${shard}-0`
  }

  /** A cluster of that name is there, and uses the claims. */
  stand(which: Pick<TargetView, 'uid'> & Partial<TargetView>): void {
    this.target = { ...STANDING, ...which }
    for (const { name, restoredBy } of this.claims)
      if (which.inPlace === true || which.restoredBy === UID || restoredBy === undefined || !this.isInPlace)
        this.served.add(name)
  }

  private deleteClaim(name: string): void {
    const claim = this.claims.find((one) => one.name === name)
    if (claim?.restoredBy !== UID) this.broken.push(`${name} is not of this restore, and is deleted`)
    if (this.target !== null && !this.isInPlace) this.broken.push(`${name} is deleted while there is a cluster`)
    if (this.served.has(name)) this.broken.push(`${name} holds what a cluster had, and is deleted`)
    if (this.running.length > 0) this.broken.push(`${name} is deleted while agents write`)
    // What a pod has mounted stays, though the pod has ended (Kubernetes, storage object in use protection).
    if (this.isMounted(name))
      this.claims = this.claims.map((one) => (one === claim ? { ...one, isDeleting: true } : one))
    else this.claims = this.claims.filter((one) => one !== claim)
    this.volumes.delete(name)
  }

  private isMounted(name: string): boolean {
    return this.agents.some((one) => one.step === 'seed' && name === this.claimIn(one.part ?? -1))
  }

  /** The cluster's controller has all servers up. */
  form(): void {
    if (this.target === null || (this.isInPlace && this.target.restoredBy !== UID)) return
    const shards = (this.status?.shards ?? []).map(({ shard, nodeId = '' }) => {
      const pod = seededPod(CLUSTER, shard)
      return { shard, nodes: { [pod]: nodeId }, addresses: { [pod]: `10.0.${shard}.10` } }
    })
    const taken = this.isInPlace ? { isSwitched: true, holds: { name: 'back', uid: UID } } : {}
    this.target = { ...this.target, isReady: true, message: 'all is well', shards, ...taken }
  }

  /** Ends the agent that has run for longest. */
  end(how: Ending): void {
    const index = this.agents.findIndex((one) => one.state === 'running')
    const agent = this.agents[index]
    if (agent === undefined) return
    this.agents[index] = { ...agent, state: 'ended', isGone: true, report: this.reportOf(agent.order, how) }
  }

  private reportOf({ task }: Ordered['order'], how: Ending): AgentReport | null {
    if (how === 'silently') return null
    if (how !== 'well') return { result: 'Failed', fault: how, message: `it failed: ${how}` }
    if (task.type === 'InspectBackup') return { result: 'Done', done: this.found }
    // As an agent does that counts: no server says what became of those hashes.
    if (task.type === 'VerifyRestore' && task.shards[0]?.endingHashes !== 2)
      return { result: 'Failed', fault: 'CountsDiffer', message: '2 keys are missing' }
    if (task.type === 'VerifyRestore')
      return { result: 'Done', done: { task: 'VerifyRestore', keys: KEYS - 2, expired: 2 } }
    if (task.type !== 'SeedShard') throw new Error(`no restore does ${task.type}`)
    const { shard } = task
    const shards = this.status?.shards?.length ?? 1
    const keys = shard === 0 ? KEYS - (shards - 1) * Math.floor(KEYS / shards) : Math.floor(KEYS / shards)
    this.volumes.set(this.claimIn(shard), keys)
    const nodeId = `${shard}`.padStart(40, 'a')
    return {
      result: 'Done',
      done: { task: 'SeedShard', shard, nodeId, keys, expiring: 0, endingHashes: 2, size: 3_000 },
    }
  }

  /** Passes, and agents that end well, until it is in that state; throws if it does not get there. */
  bring(state: string): void {
    for (let round = 0; round < 50 && this.status?.state !== state; round += 1) {
      this.now += 20_000
      this.pass()
      if (this.status?.state !== state) while (this.running.length > 0) this.end('well')
    }
    if (this.status?.state !== state) throw new Error(`it is ${this.status?.state}, not ${state}`)
  }

  /** Passes, and agents that end well, until nothing changes any more. */
  settle(most = 200): void {
    for (let round = 0; round < most && !this.isGone; round += 1) {
      this.now += 20_000
      this.pass()
      while (this.running.length > 0) this.end('well')
      this.endCopy('well')
      if (this.status?.state === 'Starting') this.form()
      if (['Completed', 'Failed'].includes(this.status?.state ?? '') && this.deletionAt === null) {
        this.pass()
        return
      }
    }
  }
}
