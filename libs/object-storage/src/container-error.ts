/**
 * What is wrong with a container, in closed kinds. `WrongKey`, `UnknownKey`, `NotEncrypted` and `OtherSubject` speak of what
 * the reader was given; the others of what was stored.
 */
export type ContainerFault =
  | 'NotAContainer'
  | 'UnknownVersion'
  | 'NotEncrypted'
  | 'UnknownKey'
  | 'WrongKey'
  | 'OtherSubject'
  | 'Damaged'
  | 'Truncated'
  | 'OutOfOrder'
  | 'Spliced'
  | 'TrailingBytes'

/** A container that may not be read; nothing of the frame at fault was given out. Never holds a key. */
export class ContainerError extends Error {
  override readonly name = 'ContainerError'
  readonly fault: ContainerFault

  /**
   * @param fault the kind
   * @param message a sentence for people
   */
  constructor(fault: ContainerFault, message: string) {
    super(message)
    this.fault = fault
  }
}
