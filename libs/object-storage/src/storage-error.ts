/**
 * Why a storage does not do what it was asked. The kinds are closed:
 *
 * - `NotFound`: there is no such object.
 * - `Exists`: there is one already, where none may be written over.
 * - `Forbidden`: known, and not allowed to.
 * - `WrongCredentials`: not known, or no longer.
 * - `NoBucket`: the bucket, or the directory, is not there.
 * - `Full`: no room, or no quota.
 * - `Unreachable`: no connection, or a server that says it can't now. May pass.
 * - `Slow`: connected, and nothing moved for too long. May pass.
 * - `Deadline`: the caller's own time was over. May pass.
 * - `Refused`: anything else; the sentence says what.
 */
export type StorageFault =
  | 'NotFound'
  | 'Exists'
  | 'Forbidden'
  | 'WrongCredentials'
  | 'NoBucket'
  | 'Full'
  | 'Unreachable'
  | 'Slow'
  | 'Deadline'
  | 'Refused'

const passing: ReadonlySet<StorageFault> = new Set(['Unreachable', 'Slow', 'Deadline'])

const remedies: Readonly<Record<StorageFault, string>> = {
  NotFound: 'Look whether it was deleted, and whether prefix and key are right',
  Exists: 'Choose another name; what is there is never written over',
  Forbidden: 'Give the user this permission',
  WrongCredentials: 'Put valid credentials of this storage into the Secret',
  NoBucket: 'Create it, or correct its name',
  Full: 'Make room, or raise the quota',
  Unreachable: 'Look whether the server runs, and whether endpoint and network are right',
  Slow: 'Look at the server and the network to it',
  Deadline: 'Allow more time, or look at what slows the storage',
  Refused: 'Read what it says',
}

/** A storage did not do what it was asked. Holds no credentials, neither in its sentence nor as a cause. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly fault: StorageFault
  /** What a person can do. */
  readonly remedy: string
  /** Whether the same call may succeed later without anybody's doing. */
  readonly mayPass: boolean

  /**
   * @param fault the kind
   * @param sentence what happened, for people; without credentials
   * @param remedy what to do, where it is more than the kind says
   */
  constructor(fault: StorageFault, sentence: string, remedy: string = remedies[fault]) {
    // Servers end their own sentences; ours go on with the remedy.
    super(sentence.replace(/[. ]+$/, ''))
    this.fault = fault
    this.remedy = remedy
    this.mayPass = passing.has(fault)
  }
}
