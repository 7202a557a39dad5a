import type { RedisBackupStorageSpec, RedisClusterSpec } from '@slotkeeper/api'
import { SEEDED_VOLUME } from '@slotkeeper/backup'

/** A server that an agent has beside it, to load what it fills a volume with; both go together. */
export type ScratchServer = {
  readonly image: string
  /** As the pods of its cluster have them, which load as much. */
  readonly cluster?: Pick<RedisClusterSpec, 'imagePullPolicy' | 'imagePullSecrets' | 'resources'>
  /** Where it listens, on the loopback of its pod. */
  readonly port: number
}

/**
 * Starts a server on a volume once that is marked as filled, and leaves behind what became of it. A file says that it was
 * started: a container that is killed is started again, and must not try for ever. How it has ended is there whole or not at
 * all, for the agent reads it at any time. Its log is on the volume for the agent, and is written out at its end for whoever looks.
 */
export const SCRATCH_SCRIPT = `
data=$1 port=$2 bus=$3 child=
ended() { echo "$1" > "$data/scratch.ending" && mv "$data/scratch.ending" "$data/scratch.ended"; }
server=$(command -v valkey-server || command -v redis-server) || { echo "no server in this image"; ended 127; }
trap 'kill $child 2>/dev/null; exit 0' TERM INT
until grep -qs ' seeded$' "$data/slotkeeper.marker"; do sleep 0.2; done
if mkdir "$data/scratch.begun" 2>/dev/null; then
  "$server" --port "$port" --bind 127.0.0.1 --protected-mode yes --dir "$data" --dbfilename dump.rdb --appendonly no --save '' \\
    --maxmemory 0 --cluster-enabled yes --cluster-port "$bus" --cluster-config-file nodes.conf --cluster-allow-reads-when-down yes \\
    --logfile "$data/scratch.log" &
  child=$!
  wait "$child"
  ended $?
  cat "$data/scratch.log"
else
  ended 137
fi
while :; do sleep 1; done
`

/** What every container of an agent's pod may do: nothing beside its work. */
export const CONFINED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}

/** The container of such a server: started before the agent's, and stopped when that has ended (a sidecar, Kubernetes 1.29). */
export function scratchContainer({ image, cluster, port }: ScratchServer): object {
  return {
    name: 'server',
    image,
    imagePullPolicy: cluster?.imagePullPolicy ?? 'IfNotPresent',
    restartPolicy: 'Always',
    command: ['sh', '-c', SCRATCH_SCRIPT, 'scratch', SEEDED_VOLUME, String(port), String(port + 1)],
    ...(cluster?.resources === undefined ? {} : { resources: cluster.resources }),
    securityContext: CONFINED,
    volumeMounts: [{ name: 'seeded', mountPath: SEEDED_VOLUME }],
  }
}

/** Where what it loads is written to: a volume that comes and goes with the pod. */
export function scratchVolume({ agent }: RedisBackupStorageSpec): object {
  const { scratch } = agent ?? {}
  if (scratch === undefined) return { emptyDir: {} }
  const { size, storageClassName } = scratch
  const spec = {
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: size } },
    ...(storageClassName === undefined ? {} : { storageClassName }),
  }
  return { ephemeral: { volumeClaimTemplate: { spec } } }
}
