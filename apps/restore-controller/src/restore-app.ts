import { agentPorts, type AgentPorts, ProgressMemory } from '@slotkeeper/agents'
import { GROUP, type RedisRestoreSpec, VERSION } from '@slotkeeper/api'
import type { Controller } from '@slotkeeper/controller'
import { type App, endsBy, type Host, type Kind, type KindPorts, kindOf } from '@slotkeeper/controller-host'
import { type RestoreEvent, restoreNoteOf, type RestoreStatus } from '@slotkeeper/events'
import { redisRestores } from '@slotkeeper/k8s'
import { restoreAllows } from '@slotkeeper/restore'
import { act } from './act.ts'
import type { AppCommand } from './app-command.ts'
import { type Caches, startCaches } from './caches.ts'
import type { Config } from './config.ts'
import { decideRestore, type ObservedRestore } from './decide-restore.ts'
import { observe } from './observe.ts'
import { parseRestore, type RestoreObject } from './restore-object.ts'

/** The process that looks after RedisRestores. */
export const restoreApp: App<Config> = {
  name: 'restore-controller',
  kinds: (host) => [restoreKind(host, agentPorts(host.objects, host.config))],
}

type RestoreController = Controller<RedisRestoreSpec, RestoreStatus, ObservedRestore, AppCommand, RestoreEvent>

function restoreKind({ kube, onProblem, config }: Host<Config>, ports: AgentPorts): Kind {
  const progress = new ProgressMemory()
  const controller = ({ eventTrouble, onAccess }: KindPorts<RestoreObject>): RestoreController => {
    let caches: Caches | undefined
    return {
      kind: { group: GROUP, version: VERSION, plural: redisRestores.plural },
      wakes: (wake, signal) => {
        caches = startCaches({ kube, onProblem, onAccess, wake, namespaces: config.watchNamespaces }, signal)
      },
      observe: (object, io) => {
        if (caches === undefined) throw new Error('observed before the watches were started')
        return observe(caches, progress, object, io.signal)
      },
      decide: (input) => decideRestore(input, eventTrouble(input.object)),
      allows: (state, command) => restoreAllows(state, command.type),
      act: (command, io) => act(ports, command, io),
      ends: endsBy,
    }
  }
  return kindOf({
    resource: redisRestores,
    eventKind: 'restore',
    parse: parseRestore,
    noteOf: restoreNoteOf,
    controller,
  })
}
