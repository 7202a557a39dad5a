import { connectKube, createElection, createRecorder, objectsOf } from '@slotkeeper/k8s'
import type { Logger, Metrics } from '@slotkeeper/observability'
import { createAccess, leftAlone } from './access.ts'
import type { App, Host } from './app.ts'
import { openEventStore } from './event-store.ts'
import type { HostConfig } from './host-config.ts'
import { isUnused } from './is-unused.ts'
import { lead } from './lead.ts'
import type { KindList } from './list-kinds.ts'
import { nextEpoch } from './next-epoch.ts'
import { tellEventStore } from './notes.ts'

/** What `runHost` hands over. `holder` is unique per start of the process. */
export type RunSetup<C extends HostConfig> = {
  readonly config: C
  readonly log: Logger
  readonly metrics: Metrics
  readonly holder: string
  readonly signal: AbortSignal
}

/** Stands for election and runs the controllers of all kinds while leading; resolves when the signal aborts. */
export async function run<C extends HostConfig>(app: App<C>, setup: RunSetup<C>): Promise<void> {
  const { config, log, metrics, signal, holder } = setup
  const name = `slotkeeper-${app.name}`
  const access = config.KUBECONFIG === undefined ? {} : { kubeconfigPath: config.KUBECONFIG }
  const kube = connectKube(access)
  const objects = objectsOf(kube)
  // Of its own, so that no call that hangs, of passes or notes, stands before a renewal: two, since one may have died.
  const renewals = connectKube({ ...access, connections: 2 })
  const onProblem = (error: unknown): void =>
    log.warn({ problem: error instanceof Error ? error.message : String(error) }, 'a call failed')
  const recorder = createRecorder({
    objects,
    controller: `slotkeeper.dev/${app.name}`,
    instance: config.SLOTKEEPER_POD_NAME,
    onProblem,
  })
  const self = {
    namespace: config.SLOTKEEPER_NAMESPACE,
    pod: config.SLOTKEEPER_POD_NAME,
    uid: config.SLOTKEEPER_CONTROLLER_POD_UID,
  }
  const onTrouble = (trouble: { reason: string; message: string }): void => tellEventStore(recorder, self, trouble)
  const unreadable = ({ kind, namespace }: Pick<KindList, 'kind' | 'namespace'>): void =>
    log.error({ namespace }, leftAlone(kind.eventKind))
  const store = openEventStore({ ...setup, name, onTrouble })
  const tellAccess = createAccess({ log, metrics })
  const host: Host<C> = { config, log, metrics, kube, objects, onProblem }
  let kinds = app.kinds(host)
  const realm = () => ({ objects, kinds, namespaces: config.watchNamespaces })
  const election = createElection({
    objects: objectsOf(renewals),
    key: { namespace: config.SLOTKEEPER_NAMESPACE, name },
    holder,
    durationMs: config.SLOTKEEPER_LEASE_SECONDS * 1000,
    nextEpoch: (counter, stop) => nextEpoch(realm(), counter, unreadable, { signal: stop }),
    isUnused: (stop) => isUnused(realm(), { signal: stop }),
    onProblem,
  })
  while (!signal.aborted) {
    const ending = await election.run(
      {
        onStarted: (epoch, leading) => {
          log.info({ epoch, holder }, 'leading')
          metrics.leading.set({ name }, 1)
          return lead(kinds, { ...host, holder, recorder, store, election, tellAccess }, leading)
        },
        onStopped: () => metrics.leading.set({ name }, 0),
      },
      signal,
    )
    log.info({ ending }, 'no longer leading')
    kinds = app.kinds(host)
  }
  await recorder.close()
  await Promise.all([kube.close(), renewals.close()])
}
