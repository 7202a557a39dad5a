import { backupSourceOf, defined, redisBackupSpec, redisBackupStorageSpec } from '@slotkeeper/api'
import { backupChanges, type BackupEvent, type BackupStatus } from '@slotkeeper/events'
import { evenRanges, formatRanges } from '@slotkeeper/redis-topology'
import {
  type AgentDone,
  type AgentFault,
  type AgentReport,
  type AgentRun,
  backupAllows,
  type BackupCase,
  type BackupCommand,
  nextBackup,
  objectOf,
  planBackup,
  type Sibling,
  type Source,
  type StorageView,
} from '../src/index.ts'

/** How an agent ends: well, with a fault, or without a word. */
export type Ending = 'well' | 'silently' | AgentFault

const SHARDS = 3
/** What agents of this world draw for the names of their objects. */
export const ATTEMPT = '0badcafe'
const CREATED = Date.UTC(2026, 10, 22, 10)

/** A cluster as its controller tells of it. */
export const sourceOf = (change: Partial<Source> = {}, count = SHARDS): Source => ({
  uid: 'cluster-1',
  busy: null,
  engine: { engine: 'valkey', version: '9.1.2' },
  image: 'docker.io/valkey/valkey:9.1',
  spec: { shards: SHARDS },
  shards: evenRanges(count).map((range, shard) => ({
    shard,
    slots: formatRanges([range]),
    primary: `orders-${shard}-0`,
    attached: [`orders-${shard}-1`],
    nodes: { [`orders-${shard}-0`]: `${shard}0`.padEnd(40, '0'), [`orders-${shard}-1`]: `${shard}1`.padEnd(40, '0') },
    addresses: { [`orders-${shard}-0`]: `10.0.${shard}.10`, [`orders-${shard}-1`]: `10.0.${shard}.11` },
  })),
  ...change,
})

const usable = (): StorageView => ({
  usable: true,
  isTried: true,
  message: '',
  spec: redisBackupStorageSpec.parse({ s3: { bucket: 'backups' } }),
})

/** One backup and what is around it: Jobs that do what they are told, well or badly. */
export class BackupWorld {
  now = CREATED
  status: BackupStatus | null = null
  source: Source | null = sourceOf()
  storage: StorageView | null = usable()
  siblings: readonly Sibling[] = []
  isCopy = false
  trouble: string | null = null
  deletionAt: number | null = null
  isLetGo = false
  isDiscarded = false
  /** How many shards fit into the last words of an agent. */
  fitting = Infinity
  isGone = false
  /** What the machines of agents take for the time; absent: they are right. */
  nodeTime: string | undefined
  private areMachinesLost = false
  hasFinalizer = false
  /** Objects in the storage, by name. */
  readonly objects = new Set<string>()
  readonly events: BackupEvent[] = []
  readonly broken: string[] = []
  /** What is found behind a server that is none of ours. */
  foreign = { shards: SHARDS, topology: 'c'.repeat(64) }
  private readonly agents: (AgentRun & { readonly order: Extract<BackupCommand, { type: 'RunAgent' }> })[] = []
  private spec

  constructor(spec: object = {}) {
    this.spec = redisBackupSpec.parse({ cluster: { name: 'orders' }, storageName: 'archive', ...spec })
  }

  /** One whose source is a server that is none of ours. */
  static ofServer(spec: object = {}): BackupWorld {
    const world = new BackupWorld({ cluster: undefined, server: { address: 'old.example:6379' }, ...spec })
    world.source = null
    return world
  }

  /** Somebody says what is to become of what is stored. */
  setPolicy(deletionPolicy: 'Delete' | 'Retain'): void {
    this.spec = { ...this.spec, deletionPolicy }
  }

  get running(): readonly AgentRun[] {
    return this.agents.filter((one) => one.state === 'running')
  }

  given(): BackupCase {
    const { spec, status, source, storage, siblings, isCopy, trouble, now, hasFinalizer } = this
    const deletion = this.deletionAt === null ? {} : { deletionAt: this.deletionAt }
    const backup = {
      namespace: 'shop',
      name: 'nightly',
      uid: 'backup-1',
      createdAt: CREATED,
      hasFinalizer,
      isLetGo: this.isLetGo,
      isDiscarded: this.isDiscarded,
      ...deletion,
    }
    return { backup, spec, status, source, storage, siblings, isCopy, trouble, now, runs: this.agents }
  }

  /** One pass: decide, commit, act. */
  pass(): readonly BackupCommand[] {
    const given = this.given()
    const { status } = nextBackup(given)
    const { storageName, consistency } = this.spec
    const cluster = backupSourceOf(this.spec)
    const path = objectOf.all(given.backup)
    this.events.push(...backupChanges(this.status, status, { cluster, storage: storageName, consistency, path }))
    this.status = status
    const commands = planBackup(given, status)
    for (const command of commands) this.obey(command)
    // The runtime lets go of what has told its last.
    if (status.deleted === true) this.isGone = true
    return commands
  }

  private obey(command: BackupCommand): void {
    if (!backupAllows(this.status?.state ?? '', command.type))
      this.broken.push(`${command.type} is not allowed in ${this.status?.state}`)
    if (command.type === 'EnsureFinalizer') this.hasFinalizer = true
    if (command.type === 'ExpireBackup') Object.assign(this, { deletionAt: this.deletionAt ?? this.now, isLetGo: true })
    if (command.type === 'StopAgent') this.stop(command.job)
    if (command.type !== 'RunAgent' || this.trouble !== null) return
    if (this.agents.some((one) => one.job === command.job)) return
    if (command.step === 'delete' && this.running.length > 0) this.broken.push('objects are deleted while agents write')
    const { job, step, part, attempt } = command
    const which = part === undefined ? {} : { part }
    this.agents.push({
      job,
      uid: job,
      step,
      ...which,
      attempt,
      state: 'running',
      report: null,
      isStopping: false,
      isGone: false,
      order: command,
    })
  }

  private stop(job: string): void {
    const others = this.agents.filter((one) => one.job !== job)
    const lost = this.agents.filter((one) => one.job === job && one.state === 'running' && this.areMachinesLost)
    this.agents.splice(0, Infinity, ...others, ...lost.map((one) => ({ ...one, isStopping: true })))
  }

  /** What runs is told to stop from now on, and does not hear it. */
  loseMachines(): void {
    this.areMachinesLost = true
  }

  /** What could not be stopped stores what it has, and is gone. */
  endLost(): void {
    this.areMachinesLost = false
    for (const one of this.agents.filter((agent) => agent.isStopping)) this.reportOf(one.order, one.job, 'well')
    this.agents.splice(0, Infinity, ...this.agents.filter((agent) => !agent.isStopping))
  }

  /** Kubernetes says why no agent can start; undefined: they do. */
  block(waitsFor: string | undefined): void {
    const all = this.agents.map(({ waitsFor: _before, ...one }) => ({ ...one, ...defined({ waitsFor }) }))
    this.agents.splice(0, Infinity, ...all)
  }

  /** What was ordered was not created after all. */
  refuse(): void {
    this.agents.splice(0, Infinity)
  }

  /** Ends the agent of that step, or the one that has run for longest. */
  end(how: Ending, step?: AgentRun['step']): void {
    const index = this.agents.findIndex((one) => one.state === 'running' && (step ?? one.step) === one.step)
    const agent = this.agents[index]
    if (agent === undefined) return
    this.agents[index] = { ...agent, state: 'ended', isGone: true, report: this.reportOf(agent.order, agent.job, how) }
  }

  private reportOf(
    { task }: Extract<BackupCommand, { type: 'RunAgent' }>,
    job: string,
    how: Ending,
  ): AgentReport | null {
    if (how === 'silently') return null
    if (how !== 'well') return { result: 'Failed', fault: how, message: `it failed: ${how}` }
    // As the agent does: it looks itself.
    if (task.type === 'StoreFound' && task.topology !== this.foreign.topology)
      return { result: 'Failed', fault: 'TopologyChanged', message: 'slots have moved' }
    if (task.type === 'InspectBackup' && !this.objects.has(task.manifest))
      return { result: 'Failed', fault: 'ObjectMissing', message: `there is no ${task.manifest}` }
    return { result: 'Done', done: this.carryOut(task, job) }
  }

  private carryOut(task: Extract<BackupCommand, { type: 'RunAgent' }>['task'], job: string): AgentDone {
    switch (task.type) {
      case 'FindServers':
        return { task: 'FindServers', engine: { engine: 'redis', version: '7.0.15' }, ...this.foreign }
      case 'StoreShards':
      case 'StoreFound': {
        const shards = task.shards.map((one) => {
          const [shard, pod] = typeof one === 'number' ? [one, 'old.example:6379'] : [one.shard, one.primary.pod]
          const object = `shop/nightly/backup-1/shard-${shard}-${job}`
          this.objects.add(object)
          const slots = this.source?.shards.find((its) => its.shard === shard)?.slots ?? ''
          const sha256 = 'a'.repeat(64)
          const rdb = { format: 'valkey' as const, version: 80 }
          const from = { takenFrom: pod, role: 'primary' as const }
          return { shard, record: `${object}.json`, object, bytes: 10, sha256, keys: 5, slots, offset: 7, ...from, rdb }
        })
        return { task: 'StoreShards', heldMs: 3, attempt: ATTEMPT, shards: shards.slice(0, this.fitting) }
      }
      case 'SealBackup': {
        this.objects.add('shop/nightly/backup-1/manifest')
        const facts = {
          manifest: 'shop/nightly/backup-1/manifest',
          sha256: 'b'.repeat(64),
          bytes: 30,
          keys: 15,
          expiring: 0,
        }
        return { task: 'SealBackup', ...facts, endedAt: this.nodeTime ?? new Date(this.now).toISOString() }
      }
      case 'LoadShard':
        return { task: 'LoadShard', shard: task.shard, keys: 4, expired: 1 }
      case 'DeleteBackup': {
        const objects = this.objects.size
        this.objects.clear()
        return { task: 'DeleteBackup', objects }
      }
      case 'InspectBackup': {
        const ref = { namespace: 'shop', name: 'nightly', uid: 'backup-1' }
        const cluster = { namespace: 'shop', name: 'orders', uid: 'cluster-1' }
        const at = { beganAt: new Date(CREATED).toISOString(), endedAt: new Date(CREATED + 60_000).toISOString() }
        const engine = { engine: 'valkey' as const, version: '9.1.2' }
        const facts = { engine, consistency: 'shard' as const, refusal: null, spec: null, expiring: 0 }
        const counts = { shards: SHARDS, bytes: 30, size: 90, keys: 15 }
        return { task: 'InspectBackup', sha256: 'b'.repeat(64), backup: ref, cluster, ...at, ...facts, ...counts }
      }
      default:
        throw new Error(`no backup does ${task.type}`)
    }
  }
}

/** Passes, and agents that all end well, until nothing happens any more. */
export function toTheEnd(world: BackupWorld, how: (turn: number) => Ending = () => 'well'): void {
  for (let turn = 0; turn < 80 && !world.isGone; turn++) {
    world.pass()
    world.end(how(turn))
    world.now += 5_000
  }
}
