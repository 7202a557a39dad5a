import { connectKube, createElection, createRecorder, objectsOf } from '@slotkeeper/k8s'
import type { Logger, Metrics } from '@slotkeeper/observability'
import type { Config } from './config.ts'
import { openEventStore } from './event-store.ts'
import { isUnused } from './is-unused.ts'
import { lead } from './lead.ts'
import { nextEpoch } from './next-epoch.ts'
import { tellEventStore } from './notes.ts'

/** What `main` hands over. `holder` is unique per start of the process. */
export type RunSetup = {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  readonly holder: string
  readonly signal: AbortSignal
}

const NAME = 'slotkeeper-cluster-controller'

/** Stands for election and runs the controller while leading; resolves when the signal aborts. */
export async function run(setup: RunSetup): Promise<void> {
  const { config, log, metrics, signal, holder } = setup
  const access = config.KUBECONFIG === undefined ? {} : { kubeconfigPath: config.KUBECONFIG }
  const kube = connectKube(access)
  const objects = objectsOf(kube)
  // Of its own, so that no call that hangs, of passes or notes, stands before a renewal: two, since one may have died.
  const renewals = connectKube({ ...access, connections: 2 })
  const onProblem = (error: unknown): void =>
    log.warn({ problem: error instanceof Error ? error.message : String(error) }, 'a call failed')
  const recorder = createRecorder({
    objects,
    controller: 'slotkeeper.dev/cluster-controller',
    instance: config.SLOTKEEPER_POD_NAME,
    onProblem,
  })
  const self = {
    namespace: config.SLOTKEEPER_NAMESPACE,
    pod: config.SLOTKEEPER_POD_NAME,
    uid: config.SLOTKEEPER_CONTROLLER_POD_UID,
  }
  const onTrouble = (trouble: { reason: string; message: string }): void => tellEventStore(recorder, self, trouble)
  const unreadable = (namespace: string): void =>
    log.error({ namespace }, 'this namespace may not be read: its clusters are left alone')
  const store = openEventStore({ ...setup, onTrouble })
  const election = createElection({
    objects: objectsOf(renewals),
    key: { namespace: config.SLOTKEEPER_NAMESPACE, name: NAME },
    holder,
    durationMs: config.SLOTKEEPER_LEASE_SECONDS * 1000,
    nextEpoch: (counter, stop) => nextEpoch(objects, config.watchNamespaces, counter, unreadable, { signal: stop }),
    isUnused: (stop) => isUnused(objects, config.watchNamespaces, { signal: stop }),
    onProblem,
  })
  while (!signal.aborted) {
    const ending = await election.run(
      {
        onStarted: (epoch, leading) => {
          log.info({ epoch, holder }, 'leading')
          metrics.leading.set({ name: NAME }, 1)
          return lead({ ...setup, kube, objects, recorder, onProblem, store, election }, leading)
        },
        onStopped: () => metrics.leading.set({ name: NAME }, 0),
      },
      signal,
    )
    log.info({ ending }, 'no longer leading')
  }
  await recorder.close()
  await Promise.all([kube.close(), renewals.close()])
}
