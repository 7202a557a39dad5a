import type { AgentDone, AgentPlan, AgentReport } from '@slotkeeper/backup'
import type { Logger } from '@slotkeeper/observability'
import { AgentError } from './agent-error.ts'
import { faultOf } from './fault-of.ts'
import type { MountedSecrets } from './mounted-secrets.ts'
import { Progress } from './progress.ts'
import { startProgressServer } from './progress-server.ts'
import { readPlan } from './read-plan.ts'
import { runCheckStorage } from './run-check-storage.ts'
import { runDeleteBackup } from './run-delete-backup.ts'
import { runFindServers } from './run-find-servers.ts'
import { runInspectBackup } from './run-inspect-backup.ts'
import { runLoadShard } from './run-load-shard.ts'
import { runSealBackup } from './run-seal-backup.ts'
import { runSeedShard } from './run-seed-shard.ts'
import { runStoreFound } from './run-store-found.ts'
import { runStoreShards } from './run-store-shards.ts'
import { runVerifyRestore } from './run-verify-restore.ts'
import type { TaskContext } from './task-context.ts'

/** What the process is started with. */
export type AgentOptions = {
  /** The environment variable SLOTKEEPER_PLAN. */
  readonly plan: string | undefined
  readonly attempt: string
  /** What was read of Secrets: it is in no log and no last words. */
  readonly secrets: MountedSecrets
  /** For how long the process has run already, in milliseconds: the deadline counts from its start. */
  readonly runsForMs: number
  readonly log: Logger
  /** Aborted, with an AgentError, when the process is told to end. */
  readonly signal: AbortSignal
}

/** The longest that a timer takes. */
const LONGEST_MS = 2 ** 31 - 1

/** Does what the plan says, and gives the last words; it never rejects. */
export async function runAgent(options: AgentOptions): Promise<AgentReport> {
  const { secrets } = options
  try {
    const plan = readPlan(options.plan)
    secrets.mountedAs(plan.mounts)
    return { result: 'Done', done: await withinDeadline(plan, options, secrets) }
  } catch (error) {
    const { fault, message } = faultOf(error)
    // The stack of what nobody expected; all others are told by their sentence.
    if (fault === 'Unexpected') options.log.error({ stack: secrets.withheld(stackOf(error)) }, 'unexpected')
    return { result: 'Failed', fault, message: secrets.withheld(message) }
  }
}

/** Where an error came from, for a log. */
export const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)

async function withinDeadline(plan: AgentPlan, options: AgentOptions, secrets: MountedSecrets): Promise<AgentDone> {
  const late = new AbortController()
  const { deadlineMs } = plan
  const hasMs = deadlineMs - options.runsForMs
  const endsAt = performance.now() + hasMs
  const end = (): void =>
    late.abort(
      new AgentError('DeadlineExceeded', `not done within ${deadlineMs / 1000} s, which was all the time it had`),
    )
  const timer = setTimeout(end, Math.min(LONGEST_MS, Math.max(0, hasMs)))
  const progress = new Progress()
  const { log, attempt } = options
  const server = await startProgressServer(plan.progressPort, () => progress.now()).catch((error: unknown) => {
    log.warn({ why: faultOf(error).message }, 'nobody will be told of progress')
    return null
  })
  log.info({ task: plan.task.type, attempt, ...(server === null ? {} : { progressPort: server.port }) }, 'begun')
  const signal = AbortSignal.any([options.signal, late.signal])
  try {
    signal.throwIfAborted()
    const leftMs = (): number => Math.max(0, endsAt - performance.now())
    return await run({ plan, attempt, secrets, progress, log, signal, leftMs })
  } catch (error) {
    // Whatever it looks like: it was called off.
    throw signal.aborted && faultOf(error).fault === 'Unexpected' ? signal.reason : error
  } finally {
    clearTimeout(timer)
    server?.close()
  }
}

function run(context: TaskContext): Promise<AgentDone> {
  const { task } = context.plan
  switch (task.type) {
    case 'CheckStorage':
      return runCheckStorage(task, context)
    case 'StoreShards':
      return runStoreShards(task, context)
    case 'FindServers':
      return runFindServers(task, context)
    case 'StoreFound':
      return runStoreFound(task, context)
    case 'SealBackup':
      return runSealBackup(task, context)
    case 'LoadShard':
      return runLoadShard(task, context)
    case 'DeleteBackup':
      return runDeleteBackup(task, context)
    case 'InspectBackup':
      return runInspectBackup(task, context)
    case 'SeedShard':
      return runSeedShard(task, context)
    case 'VerifyRestore':
      return runVerifyRestore(task, context)
  }
}
