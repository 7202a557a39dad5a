import { ControllerPods, SYSTEM } from '../faults/controller-pods.ts'
import type { Stage } from './stage.ts'

/** What the controller has used so far. */
export type Usage = {
  readonly residentBytes: number
  readonly cpuSeconds: number
  /** Requests to the API server since `countRequests`; a watch counts when it is opened. */
  readonly requests: number
  /** Those of them that write, but not to the Lease. */
  readonly writes: number
}

const ALL = ['*']
const METRICS_PORT = 8080
/** What the API server counts apart: the first that fits takes a request. */
const SCHEMAS = {
  lease: { name: 'bench-controller-lease', verbs: ALL, groups: ['coordination.k8s.io'] },
  writes: { name: 'bench-controller-writes', verbs: ['create', 'update', 'patch', 'delete'], groups: ALL },
  others: { name: 'bench-controller', verbs: ALL, groups: ALL },
}

/**
 * Has the API server count the controller's requests: FlowSchemas of their own for its service account. They count what
 * arrives, whatever the client says of itself.
 */
export async function countRequests({ platform }: Stage, signal: AbortSignal): Promise<void> {
  const account = { namespace: SYSTEM, name: 'slotkeeper-cluster-controller' }
  const items = Object.values(SCHEMAS).map(({ name, verbs, groups }, index) => ({
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'FlowSchema',
    metadata: { name },
    spec: {
      priorityLevelConfiguration: { name: 'workload-low' },
      matchingPrecedence: 500 + index,
      rules: [
        {
          subjects: [{ kind: 'ServiceAccount', serviceAccount: account }],
          resourceRules: [{ verbs, apiGroups: groups, resources: ALL, namespaces: ALL, clusterScope: true }],
          ...(name === SCHEMAS.others.name ? { nonResourceRules: [{ verbs: ALL, nonResourceURLs: ALL }] } : {}),
        },
      ],
    },
  }))
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await platform.kubectl(['apply', '-f', '-'], { input, signal })
}

/** Reads the usage of the one controller there is. */
export async function readUsage(stage: Stage, signal: AbortSignal): Promise<Usage> {
  const own = await readMetrics(stage, signal)
  const server = await stage.platform.kubectl(['get', '--raw', '/metrics'], { signal })
  const dispatched = ({ name }: { readonly name: string }): number =>
    sumOf(server, 'apiserver_flowcontrol_dispatched_requests_total', { label: `flow_schema="${name}"`, orNone: true })
  const [lease, writes, others] = [dispatched(SCHEMAS.lease), dispatched(SCHEMAS.writes), dispatched(SCHEMAS.others)]
  return {
    residentBytes: sumOf(own, 'process_resident_memory_bytes'),
    cpuSeconds: sumOf(own, 'process_cpu_seconds_total'),
    requests: lease + writes + others,
    writes,
  }
}

/** How many passes the one controller there is has ended since it was started; throws when it does not answer. */
export async function readPasses(stage: Stage, signal: AbortSignal): Promise<number> {
  return sumOf(await readMetrics(stage, signal), 'controller_runtime_reconcile_total', { orNone: true })
}

async function readMetrics({ platform, objects }: Stage, signal: AbortSignal): Promise<string> {
  const [pod, second] = await new ControllerPods(platform, objects).list()
  if (pod === undefined || second !== undefined) throw new Error('there is not one pod of the controller')
  const forward = await platform.forward({ host: pod.ip, port: METRICS_PORT })
  try {
    return await (await fetch(`http://127.0.0.1:${forward.port}/metrics`, { signal })).text()
  } finally {
    await forward.close()
  }
}

/** The sum of all series of a metric that carry a label; throws when there is none, unless that is a zero. */
function sumOf(
  text: string,
  metric: string,
  { label = '', orNone = false }: { readonly label?: string; readonly orNone?: boolean } = {},
): number {
  const values = text
    .split('\n')
    .filter((line) => line.startsWith(metric) && /[{ ]/.test(line[metric.length] ?? '') && line.includes(label))
    .map((line) => Number(line.slice(line.lastIndexOf(' '))))
  if (values.length === 0 && !orNone) throw new Error(`no ${metric} ${label}`)
  return values.reduce((sum, value) => sum + value, 0)
}
