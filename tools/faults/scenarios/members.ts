import type { Scenario } from '../scenario.ts'

/** Members that lose themselves, hang, or are replaced. */
export const members: readonly Scenario[] = [
  {
    name: 'replica-reset',
    proves: 'F21: CLUSTER RESET HARD on a replica makes it nobody; it is made a replica again, its old name forgotten',
    persistence: ['none', 'aof'],
    run: async (trial) => {
      const { replicas } = await trial.anyShard()
      trial.ownCommands.add('cluster|reset')
      await trial.fault({}, () =>
        Promise.all(replicas.map((pod) => trial.control(pod, (client) => client.cluster('RESET', 'HARD')))),
      )
      await trial.sees('it is seen', ({ state }) => state !== 'Healthy')
    },
  },
  {
    name: 'replica-replaced-while-another-is-away',
    proves:
      'SAFETY 18: a replica comes back as another node while a member cannot be reached; nobody is forgotten before it is back',
    persistence: ['aof'],
    run: async (trial) => {
      const [one, two] = trial.random.shuffle(await trial.shards())
      const [replaced, away] = [one?.replicas[0] ?? '', two?.replicas[0] ?? '']
      await trial.fault({ pods: [replaced] }, async () => {
        await trial.isolate([away], 'drop')
        await trial.stage.kubectl('delete', 'pvc', `data-${replaced}`, '--wait=false')
        await trial.stage.kubectl('delete', 'pod', replaced, '--force', '--grace-period=0')
      })
      await trial.sees(
        `${replaced} is in sync`,
        ({ topology }) =>
          trial.watch.disturbed().includes(replaced) &&
          (topology?.[one?.shard ?? 0]?.attached ?? []).includes(replaced),
      )
      if (trial.count('OperationStarted', { type: 'ForgetNode' }) > 0)
        throw new Error(`a node was forgotten while ${away} could not hear of it`)
    },
  },
  {
    name: 'primary-stalls',
    proves: 'F32: a primary that answers nobody for 0.1 s, again and again, as on a slow disk; it is not replaced',
    persistence: ['aof'],
    run: async (trial) => {
      const { primary } = await trial.anyShard()
      // Not by TIME: that stands still while a script runs, until the server calls the script slow after 5 s.
      const stall = 'local e = os.clock() + 0.1; repeat until os.clock() > e'
      await trial.fault({}, () =>
        trial.control(primary, async (client) => {
          for (let count = 0; count < 50; count += 1) await client.eval(stall, 0)
        }),
      )
    },
  },
  {
    name: 'at-rest',
    proves: 'F42: nobody breaks anything; the status is not written while the Lease is renewed ten times',
    persistence: ['none'],
    run: async (trial) => {
      await trial.told()
      const before = trial.watch.statuses().length
      await trial.ground.controller.renewals(10)
      const written = trial.watch.statuses().length - before
      // One that trims the outbox may be due.
      if (written > 1) throw new Error(`the status was written ${written} times`)
    },
  },
]
