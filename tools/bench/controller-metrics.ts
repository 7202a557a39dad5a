import { pods } from '@slotkeeper/k8s'
import type { Stage } from './stage.ts'

/** What the controller has used so far. */
export type Usage = {
  readonly residentBytes: number
  readonly cpuSeconds: number
  /** Requests to the API server since `countRequests`; a watch counts when it is opened. */
  readonly requests: number
}

const SYSTEM = 'slotkeeper-system'
const SCHEMA = 'bench-controller'

/**
 * Has the API server count the controller's requests: a FlowSchema of its own for its service account. It counts what
 * arrives, whatever the client says of itself.
 */
export async function countRequests({ platform }: Stage, signal: AbortSignal): Promise<void> {
  const all = ['*']
  const schema = {
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'FlowSchema',
    metadata: { name: SCHEMA },
    spec: {
      priorityLevelConfiguration: { name: 'workload-low' },
      matchingPrecedence: 500,
      rules: [
        {
          subjects: [
            { kind: 'ServiceAccount', serviceAccount: { namespace: SYSTEM, name: 'slotkeeper-cluster-controller' } },
          ],
          resourceRules: [{ verbs: all, apiGroups: all, resources: all, namespaces: all, clusterScope: true }],
          nonResourceRules: [{ verbs: all, nonResourceURLs: all }],
        },
      ],
    },
  }
  await platform.kubectl(['apply', '-f', '-'], { input: JSON.stringify(schema), signal })
}

/** Reads the usage of the one controller there is. */
export async function readUsage(stage: Stage, signal: AbortSignal): Promise<Usage> {
  const { platform, objects } = stage
  const labelSelector = 'app.kubernetes.io/component=cluster-controller'
  const { items } = await objects.list(pods, { namespace: SYSTEM, labelSelector }, { signal })
  const pod = items[0]?.metadata.name
  if (pod === undefined || items.length > 1) throw new Error(`${items.length} pods of the controller, not one`)
  const forward = await platform.forward({ namespace: SYSTEM, pod, port: 8080 })
  try {
    const own = await (await fetch(`http://127.0.0.1:${forward.port}/metrics`, { signal })).text()
    const server = await platform.kubectl(['get', '--raw', '/metrics'], { signal })
    return {
      residentBytes: sumOf(own, 'process_resident_memory_bytes'),
      cpuSeconds: sumOf(own, 'process_cpu_seconds_total'),
      requests: sumOf(server, 'apiserver_flowcontrol_dispatched_requests_total', `flow_schema="${SCHEMA}"`),
    }
  } finally {
    await forward.close()
  }
}

/** The sum of all series of a metric that carry a label; throws when there is none, for that is not a zero. */
function sumOf(text: string, metric: string, label = ''): number {
  const values = text
    .split('\n')
    .filter((line) => line.startsWith(metric) && /[{ ]/.test(line[metric.length] ?? '') && line.includes(label))
    .map((line) => Number(line.slice(line.lastIndexOf(' '))))
  if (values.length === 0) throw new Error(`no ${metric} ${label}`)
  return values.reduce((sum, value) => sum + value, 0)
}
