/** A process that stands for election and tells of it on its output, one JSON line each. */
import { connectKube, createElection, objectsOf } from '../src/index.ts'

const [kubeconfigPath = '', name = '', holder = '', durationMs = '2000'] = process.argv.slice(2)
const say = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`)
const kube = connectKube({ kubeconfigPath })
const election = createElection({
  objects: objectsOf(kube),
  key: { namespace: 'default', name },
  holder,
  durationMs: Number(durationMs),
  nextEpoch: async (counter) => counter + 1,
  isUnused: async () => true,
  onProblem: () => {},
})
let before = Date.now()
setInterval(() => {
  const now = Date.now()
  // The first thing that a process sees which was stopped: does it still believe that it leads?
  if (now - before > Number(durationMs)) say({ type: 'resumed', held: election.held(0) })
  before = now
}, 20)
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
const end = await election.run(
  {
    onStarted: (epoch) => say({ type: 'started', epoch }),
    onStopped: () => say({ type: 'stopped', held: election.held(0) }),
  },
  stop.signal,
)
say({ type: 'ended', end })
process.exit(0)
