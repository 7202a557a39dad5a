import type { Stage } from './stage.ts'

/** What samples are counted in. */
export type Unit = 's' | 'ms' | 'MiB' | 'MB' | 'M keys/s' | 'requests' | 'events' | 'calls' | 'writes' | 'commands'

/** What stands for all samples of a figure. */
export type Statistic = 'median' | 'p99' | 'max'

/** A number to reach (DESIGN 12), of our own samples or of the ratio of ours to the reference: the most, or the least. */
export type Target = { readonly of: 'ours' | 'ratio' } & ({ readonly most: number } | { readonly least: number })

/** One line of a table: our samples, and those of what we are compared with, taken in the same run. */
export type Figure = {
  readonly what: string
  readonly unit: Unit
  readonly ours: readonly number[]
  readonly reference?: { readonly name: string; readonly samples: readonly number[] }
  readonly target?: Target
  /** The median when it is not said. */
  readonly at?: Statistic
}

/** What a scenario is given. */
export type Context = {
  /** How often to repeat. */
  readonly runs: number
  /** How much data: a sample is for trying a scenario out, and its figures say nothing. */
  readonly size: 'whole' | 'sample'
  /** Aborted when the bench is interrupted; what a scenario started, it stops itself. */
  readonly signal: AbortSignal
  /** Tells of progress, one line. */
  readonly say: (line: string) => void
  /** The local platform with Slotkeeper installed: started by the first that asks, shared by all, left as it was found. */
  readonly stage: () => Promise<Stage>
}

/** Something worth measuring: one file in `scenarios/`, and its place in `scenarios.ts`. */
export type Scenario = {
  /** What `ONLY` selects it by. */
  readonly name: string
  /** The heading of its table. */
  readonly title: string
  /** How it is measured, so that somebody else can repeat it. */
  readonly method: string
  /** How often it is repeated when `RUNS` does not say. */
  readonly runs: number
  readonly run: (context: Context) => Promise<readonly Figure[]>
}

/** A scenario that was run. */
export type Result = Pick<Scenario, 'title' | 'method'> & { readonly figures: readonly Figure[] }
