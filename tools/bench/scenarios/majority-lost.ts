import { readCluster } from '../../demo/tour.ts'
import { lossFigures, lossLine } from '../loss-figures.ts'
import type { Scenario } from '../scenario.ts'
import { type Loss, Subject } from '../subject.ts'

/** Two of three primaries at once: nobody is left to elect their replicas. */
export const majorityLost: Scenario = {
  name: 'majority-lost',
  title: 'Two of three primaries are killed at once',
  method:
    'On the local platform, a cluster of 3 + 3 (valkey 9.1) without volumes, so that a server that comes back has nothing ' +
    'and the start script keeps its port closed while its replica has all. Two primaries get SIGKILL at the same moment; ' +
    'Redis itself elects nobody without a majority, the controller has replicas take over once kubelet has reported both ' +
    'ends. Probe and client as above, on both shards; the worse one counts.',
  runs: 3,
  run: async ({ runs, signal, say, stage: started }) => {
    const stage = await started()
    const subject = await Subject.create(stage, 'majority-lost', null, signal)
    const losses: Loss[] = []
    try {
      for (let run = 0; run < runs; run++) {
        const shards = [run % 3, (run + 1) % 3]
        const pods = await Promise.all(shards.map((shard) => subject.primaryOf(shard)))
        const kill = (pod: string) => stage.platform.switchboard.killInPod(stage.namespace, pod, 'SIGKILL')
        const loss = await subject.lose(shards, () => Promise.all(pods.map(kill)))
        await subject.healthy()
        const { status } = await readCluster(stage.platform, stage.namespace, subject.name)
        const kept = pods.filter((pod) => status?.topology?.some(({ primary }) => primary === pod))
        if (kept.length > 0) throw new Error(`${kept.join(', ')} came back as it was: nothing was taken over`)
        losses.push(loss)
        say(`${run + 1}/${runs} ${pods.join(', ')}: ${lossLine(loss)}`)
      }
    } finally {
      await subject.end()
    }
    return lossFigures('two primaries killed', losses, 2_500)
  },
}
