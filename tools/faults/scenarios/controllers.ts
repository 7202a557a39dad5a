import { until } from '@slotkeeper/testing'
import type { Scenario, Shape } from '../scenario.ts'
import type { Trial } from '../trial.ts'

const PATIENCE_MS = 120_000
/** Events of a formation, and of the healing of a shard, or a few less. */
const FORMING_EVENTS = 20
const HEALING_EVENTS = 6

/** Kills the controller as soon as that many events are committed. */
const dieWhileForming: Shape['whileForming'] = async ({ stage, controller }, name, random) => {
  const at = 1 + random.below(FORMING_EVENTS)
  const seq = async (): Promise<number> => (await stage.read(name)).status?.lifecycle?.seq ?? 0
  await until(`event ${at} of ${name}`, PATIENCE_MS, async () => (await seq()) >= at || undefined, { everyMs: 5 })
  const holder = await controller.holder()
  await controller.kill()
  await controller.succeeded(holder)
}

/** Kills the primary of a shard, and waits until one of the next events, which one is drawn, is committed. */
async function killAndCommit(trial: Trial): Promise<string> {
  const { shard, primary } = await trial.anyShard()
  const at = trial.told().length + 1 + trial.random.below(HEALING_EVENTS)
  await trial.fault({ shards: [shard], pods: [primary] }, () => trial.signal(primary, 'SIGKILL'))
  await trial.sees(`event ${at}`, ({ lifecycle }) => (lifecycle?.seq ?? 0) >= at)
  return primary
}

/** Kills the primary of a shard, and waits until all is well again: whoever leads now does its work. */
async function killAndHeal(trial: Trial): Promise<void> {
  const { shard, primary } = await trial.anyShard()
  await trial.fault({ shards: [shard], pods: [primary] }, () => trial.signal(primary, 'SIGKILL'))
  await trial.disturbs([primary])
  await trial.stage.healthy(trial.name)
}

/** Two controllers; a primary is killed, and the one that leads has committed what it is about to do. */
async function killUnderTwo(trial: Trial) {
  trial.honest = false
  const { controller } = trial.ground
  await controller.scale(2)
  const [holder, leading] = [await controller.holder(), await controller.leading()]
  return { controller, holder, leading, primary: await killAndCommit(trial) }
}

/** The controller killed, paused, twice there, or without its Lease. */
export const controllers: readonly Scenario[] = [
  {
    name: 'controller-killed-forming',
    proves:
      'F12, SAFETY 13: the controller dies at any commit of a formation; the next one ends it, once, and gives back what was borrowed',
    persistence: ['none'],
    sample: ['none'],
    shape: { whileForming: dieWhileForming },
    run: async (trial) => {
      const timeouts = await Promise.all(
        trial.podNames().map((pod) => trial.control(pod, (client) => client.config('GET', 'cluster-node-timeout'))),
      )
      const kept = timeouts.filter((answer) => String(answer) !== `cluster-node-timeout,${trial.nodeTimeoutMs}`)
      if (kept.length > 0) throw new Error(`borrowed and not given back: ${kept.join('; ')}`)
      if (trial.count('ClusterFormed') !== 1) throw new Error(`formed ${trial.count('ClusterFormed')} times`)
      await killAndHeal(trial)
    },
  },
  {
    name: 'controller-killed-healing',
    proves: 'F12: a primary dies, and the controller at any commit of the healing',
    persistence: ['none', 'aof'],
    run: async (trial) => {
      trial.honest = false
      const primary = await killAndCommit(trial)
      await trial.ground.controller.kill()
      await trial.disturbs([primary])
    },
  },
  {
    name: 'controller-killed-with-primary',
    proves: 'F12, SAFETY 1: primary and controller die at the same moment',
    persistence: ['none', 'rdb', 'aof'],
    sample: ['rdb'],
    run: async (trial) => {
      trial.honest = false
      const { shard, primary } = await trial.anyShard()
      await trial.fault({ shards: [shard], pods: [primary] }, () =>
        Promise.all([trial.signal(primary, 'SIGKILL'), trial.ground.controller.kill()]),
      )
      await trial.disturbs([primary])
      await trial.writesGoOn(20, [shard])
    },
  },
  {
    name: 'controller-handed-over',
    proves: 'F43: two controllers; the one that leads is deleted in the middle of a healing, the other goes on',
    persistence: ['none'],
    run: async (trial) => {
      const { controller, holder, leading, primary } = await killUnderTwo(trial)
      await controller.kubectl('delete', 'pod', leading.name)
      await controller.succeeded(holder)
      await trial.disturbs([primary])
    },
  },
  {
    name: 'controller-paused',
    proves:
      'SAFETY 4, R18: the one that leads is stopped in the middle of a healing until another leads; woken, it does nothing late',
    persistence: ['none'],
    run: async (trial) => {
      const { controller, holder, leading, primary } = await killUnderTwo(trial)
      await controller.signal(leading, 'SIGSTOP')
      await controller.succeeded(holder)
      await trial.disturbs([primary])
      await trial.stage.healthy(trial.name)
      await controller.signal(leading, 'SIGCONT')
      await killAndHeal(trial)
      if (!(await controller.holder()).startsWith(leading.name)) return
      throw new Error(`${leading.name} leads again, though another held the Lease`)
    },
  },
  {
    name: 'lease-deleted',
    proves: 'F12: somebody deletes the Lease while a primary dies; whoever leads next has a greater epoch, and acts',
    persistence: ['none'],
    run: async (trial) => {
      trial.honest = false
      const epoch = async (): Promise<number> => (await trial.status()).lifecycle?.epoch ?? 0
      const before = await epoch()
      const { shard, primary } = await trial.anyShard()
      await trial.fault({ shards: [shard], pods: [primary] }, () =>
        Promise.all([
          trial.signal(primary, 'SIGKILL'),
          trial.ground.controller.kubectl('delete', 'lease', 'slotkeeper-cluster-controller'),
        ]),
      )
      await trial.disturbs([primary])
      await trial.ground.controller.succeeded('')
      await killAndHeal(trial)
      if ((await epoch()) <= before) throw new Error(`the epoch was ${before} and is ${await epoch()}`)
    },
  },
]
