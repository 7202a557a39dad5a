import {
  createElection,
  type Election,
  type ElectionEnd,
  type Kube,
  type LeaseOptions,
  objectsOf,
} from '../src/index.ts'

/** One who stands for election in this process. */
export type Candidate = {
  readonly election: Election
  /** Of each time that it led. */
  readonly epochs: number[]
  readonly stop: AbortController
  readonly end: Promise<ElectionEnd>
  /** While it leads. */
  leading: AbortSignal | undefined
}

type Options = Pick<LeaseOptions, 'holder' | 'durationMs'> &
  Partial<Pick<LeaseOptions, 'nextEpoch' | 'isUnused' | 'random'>> & {
    readonly kube: Kube
    /** Of the Lease. */
    readonly name: string
    /** What it does while leading; nothing unless said. */
    readonly work?: () => Promise<void>
  }

/** Stands for one election; nobody has led before unless `isUnused` says otherwise. */
export function candidateOf({ kube, name, work, ...options }: Options): Candidate {
  const stop = new AbortController()
  const election = createElection({
    nextEpoch: async (counter) => counter + 1,
    isUnused: async () => true,
    ...options,
    objects: objectsOf(kube),
    key: { namespace: 'default', name },
    onProblem: () => {},
  })
  const epochs: number[] = []
  const whatItDoes = {
    onStarted(epoch: number, signal: AbortSignal) {
      epochs.push(epoch)
      candidate.leading = signal
      return work?.()
    },
    onStopped: () => (candidate.leading = undefined),
  }
  const end = election.run(whatItDoes, stop.signal)
  const candidate: Candidate = { election, epochs, stop, end, leading: undefined }
  return candidate
}
