import { type App, type Host, kindOf } from '@slotkeeper/controller-host'
import { noteOf } from '@slotkeeper/events'
import { redisClusters } from '@slotkeeper/k8s'
import { parseCluster } from './cluster-object.ts'
import type { Config } from './config.ts'
import { clusterController } from './controller.ts'

/** The process that looks after RedisClusters. */
export const clusterApp: App<Config> = { name: 'cluster-controller', kinds: (host) => [clusterKind(host)] }

function clusterKind({ config, kube, objects, onProblem }: Host<Config>) {
  return kindOf({
    resource: redisClusters,
    eventKind: 'cluster',
    parse: parseCluster,
    noteOf,
    controller: ({ eventTrouble, onAccess }) =>
      clusterController({
        kube,
        objects,
        namespaces: config.watchNamespaces,
        onProblem,
        onAccess,
        settings: {
          nodeLossMs: config.SLOTKEEPER_NODE_LOSS_SECONDS * 1000,
          podUid: config.SLOTKEEPER_POD_UID === 'platform' ? null : config.SLOTKEEPER_POD_UID,
          eventTrouble,
        },
      }),
  })
}
