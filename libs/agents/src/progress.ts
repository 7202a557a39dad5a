import { type AgentProgress, agentProgress } from '@slotkeeper/backup'
import { PROGRESS_PORT } from './agent-job.ts'
import type { CachedAgentPod } from './agent-runs.ts'

const EVERY_MS = 5_000
const PATIENCE_MS = 500

/** Asks agents now and then how far they are. What is not known is left out: progress is for people, never evidence. */
export class ProgressMemory {
  readonly #last = new Map<string, { readonly at: number; readonly progress?: AgentProgress }>()

  /** How far the running ones of these pods are, by the uid of their Jobs. */
  async look(
    pods: readonly CachedAgentPod[],
    now: number,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, AgentProgress>> {
    const running = pods.filter((pod) => pod.phase === 'Running' && pod.ip !== undefined)
    const found = await Promise.all(
      running.map(async (pod) => [pod.jobUid, await this.#lookAt(pod, now, signal)] as const),
    )
    return new Map(found.flatMap(([uid, progress]) => (progress === undefined ? [] : [[uid, progress]])))
  }

  /** Forgets the agents that are gone. */
  keepOnly(isThere: (jobUid: string) => boolean): void {
    for (const uid of this.#last.keys()) if (!isThere(uid)) this.#last.delete(uid)
  }

  async #lookAt(
    { jobUid, ip = '' }: CachedAgentPod,
    now: number,
    signal: AbortSignal,
  ): Promise<AgentProgress | undefined> {
    const last = this.#last.get(jobUid)
    if (last !== undefined && now - last.at < EVERY_MS) return last.progress
    const progress = (await ask(ip, signal)) ?? last?.progress
    this.#last.set(jobUid, progress === undefined ? { at: now } : { at: now, progress })
    return progress
  }
}

async function ask(ip: string, signal: AbortSignal): Promise<AgentProgress | undefined> {
  const host = ip.includes(':') ? `[${ip}]` : ip
  try {
    const limits = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)])
    const answer = await fetch(`http://${host}:${PROGRESS_PORT}/progress`, { signal: limits, redirect: 'error' })
    const read = agentProgress.safeParse(await answer.json())
    return read.success ? read.data : undefined
  } catch {
    return undefined
  }
}
