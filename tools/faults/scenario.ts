import type { Random } from './random.ts'
import type { Ground, Heritage, Trial } from './trial.ts'

/** How the servers of a trial keep their data: on a volume, or with the pod (`none`). */
export type Persistence = 'none' | 'rdb' | 'aof'

/**
 * Makes the cluster of a trial: gets its name and what its spec says beside what all clusters of a stage have, and gives what it has
 * in it from the beginning.
 */
export type Origin = (ground: Ground, name: string, spec: object) => Promise<Heritage>

/** What a scenario's cluster is like. */
export type Shape = {
  /** 3 when not said. */
  readonly shards?: number
  /** Where it comes from; created empty when not said. */
  readonly origin?: Origin
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
