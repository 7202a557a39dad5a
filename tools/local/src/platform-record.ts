/** What a running platform says about itself in `platform.json`. */
export type PlatformRecord = {
  readonly name: string
  readonly state: string
  readonly kubeconfig: string
  readonly kubectl: string
  readonly apiPort: number
  readonly startedAt: string
}

/** Files of a platform's state directory. */
export const recordFile = 'platform.json'
export const keeperSocket = 'keeper.sock'
export const progressFile = 'progress.log'
