import type { Kube, Objects } from '@slotkeeper/k8s'
import type { Logger, Metrics } from '@slotkeeper/observability'
import type { HostConfig } from './host-config.ts'
import type { Kind } from './kind.ts'

/** What a process lends to the kinds that it looks after. */
export type Host<C extends HostConfig> = {
  readonly config: C
  readonly log: Logger
  readonly metrics: Metrics
  readonly kube: Kube
  readonly objects: Objects
  /** Told of a call that failed and that nothing else tells of. */
  readonly onProblem: (error: unknown) => void
}

/** One process of controllers, its settings aside. */
export type App<C extends HostConfig> = {
  /** `cluster-controller`: its name in logs; the Lease, the metric of the election and the connection to NATS bear `slotkeeper-` before it. */
  readonly name: string
  /**
   * All kinds that the process looks after, under one Lease and one epoch. Asked anew each time before it
   * leads, so that they may share among them what lives as long as it does. It starts nothing: a controller's `wakes` does.
   */
  readonly kinds: (host: Host<C>) => readonly Kind[]
}
