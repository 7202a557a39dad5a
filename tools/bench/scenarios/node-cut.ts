import { ControllerPods } from '../../faults/controller-pods.ts'
import { NODES } from '../../faults/placement.ts'
import { lossFigures, lossLine } from '../loss-figures.ts'
import type { Scenario } from '../scenario.ts'
import type { Stage } from '../stage.ts'
import { type Loss, Subject } from '../subject.ts'

const SHARDS = [0, 1, 2]
/** The node timeout and what an election takes: DESIGN 12, node loss. */
const MOST_MS = 9_000

/** A node with one primary is off the network. */
export const nodeCut: Scenario = {
  name: 'node-cut',
  title: 'A node with one primary is cut off',
  method:
    'On the local platform, a cluster of 3 + 3 (valkey 9.1, node timeout 5 s) without volumes. The link of a node that carries ' +
    'neither the controller nor NATS, and one primary, is taken down; it is up again once writes are accepted. Silence proves ' +
    'nothing to the controller, so Redis elects by itself. Probe and client as above, on the shard of that primary.',
  runs: 2,
  run: async ({ runs, signal, say, stage: started }) => {
    const stage = await started()
    const { switchboard } = stage.platform
    const subject = await Subject.create(stage, 'node-cut', null, signal)
    const losses: Loss[] = []
    try {
      const node = await bystander(stage)
      for (let run = 1; run <= runs; run++) {
        const shard = await onePrimaryOn(node, subject)
        const loss = await subject.lose(
          [shard],
          () => switchboard.cutNode(node),
          () => switchboard.heal(),
        )
        await subject.whole()
        await subject.healthy()
        losses.push(loss)
        say(`${run}/${runs} ${node}, shard ${shard}: ${lossLine(loss)}`)
      }
    } finally {
      await switchboard.heal()
      await subject.end()
    }
    return lossFigures('node cut off', losses, MOST_MS)
  },
}

async function bystander({ platform, objects }: Stage): Promise<string> {
  const taken = await new ControllerPods(platform, objects).nodes()
  const free = NODES.find((node) => !taken.includes(node))
  if (free === undefined) throw new Error('every node carries something of Slotkeeper')
  return free
}

/** Sees to it that a node carries exactly one primary; gives its shard. */
async function onePrimaryOn(node: string, subject: Subject): Promise<number> {
  const membersOn = (shard: number, isThere: boolean): string | undefined =>
    subject.watch
      .pods()
      .find((pod) => pod.name.startsWith(`${subject.name}-${shard}-`) && (pod.node === node) === isThere)?.name
  const [wanted] = SHARDS.filter(
    (shard) => membersOn(shard, true) !== undefined && membersOn(shard, false) !== undefined,
  )
  if (wanted === undefined) throw new Error(`no shard has a member on ${node} and one elsewhere`)
  for (const shard of SHARDS) {
    const heir = membersOn(shard, shard === wanted)
    if (heir !== undefined && (await subject.primaryOf(shard)) !== heir) await subject.handOver(shard, heir)
  }
  await subject.healthy()
  return wanted
}
