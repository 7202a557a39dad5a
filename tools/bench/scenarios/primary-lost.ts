import { ControllerPods } from '../../faults/controller-pods.ts'
import { lossFigures, lossLine } from '../loss-figures.ts'
import { LANE_PER_SECOND } from '../plain-client.ts'
import type { Figure, Scenario } from '../scenario.ts'
import { type Loss, Subject } from '../subject.ts'

const VOLUMES = { size: '100Mi', persistence: 'aof', retain: false }

/** How a primary is lost, and what is to be reached with the controller and without it, in milliseconds. */
type Way = {
  readonly what: string
  readonly of: 'volumes' | 'noVolumes'
  /** Added to the number of the round: the shard. */
  readonly shard: number
  readonly most: number
  readonly mostAlone: number
  readonly fault: (subject: Subject, pod: string) => Promise<unknown>
}

const kill: Way['fault'] = ({ stage }, pod) => stage.platform.switchboard.killInPod(stage.namespace, pod, 'SIGKILL')
// Twice the node timeout and what an election takes: DESIGN 12, controller down.
const ELECTION_MS = 9_000

/** A round kills both servers of a shard, one after the other; the next one replaces their pods, whose next restart then comes at once. */
const WAYS: readonly Way[] = [
  { what: 'SIGKILL, no volumes', of: 'noVolumes', shard: 0, most: 500, mostAlone: ELECTION_MS, fault: kill },
  { what: 'SIGKILL, AOF', of: 'volumes', shard: 0, most: 500, mostAlone: ELECTION_MS, fault: kill },
  {
    what: 'pod deleted, AOF',
    of: 'volumes',
    shard: 2,
    most: 100,
    mostAlone: 500,
    fault: (subject, pod) => subject.kubectl('delete', 'pod', pod),
  },
]

/** A primary that is killed, or whose pod is deleted. */
export const primaryLost: Scenario = {
  name: 'primary-lost',
  title: 'A primary is lost, with the controller and without it',
  method:
    'On the local platform, two clusters of 3 + 3 (valkey 9.1, node timeout 5 s), one without volumes, one with AOF on ' +
    'volumes. In each round a primary is killed or its pod deleted with the controller there, and then with it scaled to ' +
    'nothing, so that only Redis, kubelet and the hook and start script of the pods act. A probe writes to every server ' +
    'of the shard, each on a connection of its own, every 10 ms: the figure is the longest time in which none of them ' +
    'accepted, from before the fault until all servers say that the cluster is whole, or without the controller until all answer. The client is ioredis with a `slotsRefreshInterval` of 1 s, ' +
    `${LANE_PER_SECOND} SETs a second to that shard without WAIT, resolving pods by name; its keys are read back afterwards.`,
  runs: 5,
  run: async ({ runs, signal, say, stage: started }) => {
    const stage = await started()
    const controller = new ControllerPods(stage.platform, stage.objects)
    const subjects = await Promise.all([
      Subject.create(stage, 'primary-lost', null, signal),
      Subject.create(stage, 'primary-lost-aof', VOLUMES, signal),
    ])
    const [noVolumes, volumes] = subjects
    const losses = WAYS.map(() => ({ with: [] as Loss[], without: [] as Loss[] }))
    const loseAll = async (run: number, which: 'with' | 'without'): Promise<void> => {
      for (const [index, { what, of, shard: offset, fault }] of WAYS.entries()) {
        const subject = { noVolumes, volumes }[of]
        const shard = (run + offset) % 3
        const pod = await subject.primaryOf(shard)
        // A server that lost its data comes back as nobody, and only the controller introduces it to the others.
        const mended = () => (which === 'with' ? subject.whole() : subject.answers())
        const loss = await subject.lose([shard], () => fault(subject, pod), mended)
        losses[index]?.[which].push(loss)
        if (which === 'with') await subject.healthy()
        say(`${run + 1}/${runs} ${which} the controller, ${what}, ${pod}: ${lossLine(loss)}`)
      }
    }
    try {
      for (let run = 0; run < runs; run++) {
        await loseAll(run, 'with')
        await controller.scale(0)
        await loseAll(run, 'without')
        await controller.scale(1)
        for (const subject of subjects) await subject.healthy()
      }
    } finally {
      if (!signal.aborted) await controller.scale(1)
      for (const subject of subjects) await subject.end()
    }
    return WAYS.flatMap(({ what, most, mostAlone }, index) => {
      const { with: ours = [], without = [] } = losses[index] ?? {}
      const alone: Figure = {
        what: `${what}, no controller: no server accepts a write`,
        unit: 'ms',
        ours: without.map(({ gapMs }) => gapMs),
        target: { most: mostAlone, of: 'ours' },
      }
      return [...lossFigures(what, ours, most, { name: 'without', losses: without }), alone]
    })
  },
}
