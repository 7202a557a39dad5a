import { StorageError } from '@slotkeeper/object-storage'
import { AgentError } from './agent-error.ts'

/** `ObjectMissing` with this sentence for an object that is not there; any other error as it is. */
export const objectMissing = (error: unknown, message: string): unknown =>
  error instanceof StorageError && error.fault === 'NotFound' ? new AgentError('ObjectMissing', message) : error
