import type { Random } from './random.ts'
import type { Ground, Trial } from './trial.ts'

/** How the servers of a trial keep their data: on a volume, or with the pod (`none`). */
export type Persistence = 'none' | 'rdb' | 'aof'

/** What a scenario's cluster is like beside three shards. */
export type Shape = {
  /** 1 when not said. */
  readonly replicasPerShard?: number
  readonly nodeTimeoutMs?: number
  /** Whether volumes outlive their StatefulSet; not when not said. */
  readonly retain?: boolean
  /** Further fields of the spec. */
  readonly spec?: object
  /** What happens while the cluster is being formed. */
  readonly whileForming?: (ground: Ground, name: string, random: Random) => Promise<void>
}

/**
 * What may become of a cluster: something is broken, and it must come through. Runs once for each persistence that it
 * names, under the writer, on a cluster of its own.
 */
export type Scenario = {
  /** What `ONLY` selects it by. */
  readonly name: string
  /** What it is to show, one line. */
  readonly proves: string
  readonly persistence: readonly Persistence[]
  /** Those of its runs that `SIZE=sample` takes. */
  readonly sample?: readonly Persistence[]
  readonly shape?: Shape
  /** Breaks things. Afterwards all cuts are mended, the cluster must become Healthy, and the books are compared. */
  readonly run: (trial: Trial) => Promise<void>
}
