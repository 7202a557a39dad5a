import { bystanderOf, place, shardsOn } from '../placement.ts'
import type { Scenario, Shape } from '../scenario.ts'
import type { Trial } from '../trial.ts'

/** Evicts all pods of the cluster from a node, as administrators do. */
async function drain(trial: Trial, node: string): Promise<void> {
  const pods = trial.watch.pods().filter((pod) => pod.node === node)
  await trial.fault({ shards: trial.allShards, pods: pods.map(({ name }) => name), loses: false }, () =>
    trial.stage.platform.kubectl(
      [
        'drain',
        node,
        '--ignore-daemonsets',
        '--delete-emptydir-data',
        '--timeout=110s',
        '--pod-selector',
        trial.selector,
      ],
      { deadline: 120_000 },
    ),
  )
  await trial.disturbs(pods.map(({ name }) => name))
}

/** What a person does about a cluster that fits nowhere; the controller replaces the pods that wait in vain. */
const askForLess: Shape['whileForming'] = async ({ stage }, name) => {
  await stage.stalled(name, 'Unschedulable')
  const spec = { resources: { requests: { cpu: '10m' } } }
  await stage.kubectl('patch', 'rdc', name, '--type=merge', '-p', JSON.stringify({ spec }))
}

/** Nodes that are drained, or lost. */
export const nodes: readonly Scenario[] = [
  {
    name: 'node-drained',
    proves: 'F33: a node with three primaries is drained; one budget for each shard, and nothing is lost',
    persistence: ['none', 'aof'],
    shape: { replicasPerShard: 2 },
    run: async (trial) => {
      const node = await bystanderOf(trial)
      await place(trial, node, trial.allShards)
      await drain(trial, node)
      await trial.stage.platform.kubectl(['uncordon', node])
    },
  },
  {
    name: 'node-drained-unattended',
    proves: 'F33: the same without the controller; the hooks of the pods hand over by themselves',
    persistence: ['none', 'aof'],
    shape: { replicasPerShard: 2 },
    run: async (trial) => {
      const node = await bystanderOf(trial)
      await place(trial, node, trial.allShards)
      await trial.unattended()
      await drain(trial, node)
      await trial.stage.platform.kubectl(['uncordon', node])
    },
  },
  {
    name: 'node-cut-off',
    proves:
      'SAFETY 19, F25: a node with one primary is off the network; it is replaced, and follows when the node is back',
    persistence: ['none', 'aof'],
    run: async (trial) => {
      const node = await bystanderOf(trial)
      const shard = trial.random.pick(shardsOn(trial, node))
      await place(trial, node, [shard])
      const { primary } = await trial.shard(shard)
      await trial.fault({ shards: [shard] }, () => trial.stage.platform.switchboard.cutNode(node))
      await trial.moved(shard, primary)
      await trial.writesGoOn(20)
    },
  },
  {
    name: 'node-cut-off-with-majority',
    proves:
      'SAFETY 2, 19: a node with all primaries is off the network, and its pods are deleted by force; no takeover',
    persistence: ['aof'],
    shape: { replicasPerShard: 2 },
    run: async (trial) => {
      const node = await bystanderOf(trial)
      await place(trial, node, trial.allShards)
      const primaries = (await trial.shards()).map(({ primary }) => primary)
      await trial.fault({ shards: trial.allShards, pods: primaries }, async () => {
        await trial.stage.platform.switchboard.cutNode(node)
        await trial.stage.kubectl('delete', 'pods', ...primaries, '--force', '--grace-period=0')
      })
      await trial.stage.stalled(trial.name, 'MajorityUnproven')
      await trial.heal()
      await trial.stage.healthy(trial.name)
      if (trial.count('PrimaryChanged', { cause: 'Takeover' }) > 0) throw new Error('a replica took over without votes')
    },
  },
  {
    name: 'kubelet-silent',
    proves:
      'SAFETY 19: the kubelet of a node with a primary is silent until Kubernetes gives it up; its servers go on, nobody is promoted',
    persistence: ['none'],
    run: async (trial) => {
      const node = await bystanderOf(trial)
      const { switchboard, kubectl } = trial.stage.platform
      await trial.fault({}, () => switchboard.stopKubelet(node))
      await kubectl(['wait', `node/${node}`, '--for=condition=Ready=Unknown', '--timeout=110s'], { deadline: 120_000 })
      await trial.writesGoOn(50)
      await switchboard.startKubelet(node)
      await kubectl(['wait', `node/${node}`, '--for=condition=Ready', '--timeout=60s'], { deadline: 70_000 })
    },
  },
  {
    name: 'too-large-to-schedule',
    proves: 'F28: a new cluster asks for more than any node has; Stalled says so, and with less it is formed',
    persistence: ['none'],
    shape: { spec: { resources: { requests: { cpu: '1000' } } }, whileForming: askForLess },
    run: (trial) => trial.writesGoOn(20),
  },
  {
    name: 'replica-unschedulable',
    proves: 'F28: a pod that finds no node; Degraded says which, writes go on, and it is healed when there is room',
    persistence: ['aof'],
    run: async (trial) => {
      const { shard, replicas } = await trial.anyShard()
      await trial.fault({ pods: replicas }, async () => {
        await trial.stage.platform.kubectl(['cordon', 'node1', 'node2', 'node3'])
        await trial.stage.kubectl('delete', 'pods', ...replicas, '--timeout=60s')
      })
      await trial.sees(`Degraded names shard ${shard}`, ({ conditions }) =>
        (conditions ?? []).some(
          (one) => one.type === 'Degraded' && one.status === 'True' && one.message.includes(`shard ${shard}`),
        ),
      )
      await trial.stage.stalled(trial.name, 'Unschedulable')
      await trial.writesGoOn(50)
      await trial.stage.platform.kubectl(['uncordon', 'node1', 'node2', 'node3'])
    },
  },
]
