import type { AgentFault } from '@slotkeeper/backup'

/** Why a task ends without success, found by the agent itself. Its message has no secret in it. */
export class AgentError extends Error {
  override readonly name = 'AgentError'
  readonly fault: AgentFault

  /**
   * @param fault one of the closed set
   * @param message a sentence for people, with a remedy where there is one
   */
  constructor(fault: AgentFault, message: string) {
    super(message)
    this.fault = fault
  }
}
