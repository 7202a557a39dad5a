import { cutText } from './bounded-data.ts'
import { deletingState } from './cluster-status.ts'

type Stated = { readonly state: string; readonly reason?: string; readonly message?: string }
type StateChange =
  | {
      readonly type: 'StateChanged'
      readonly data: { readonly from: string; readonly to: string; readonly reason?: string; readonly message: string }
    }
  | { readonly type: 'DeletionStarted'; readonly data: { readonly message: string } }

/**
 * The events of a change of state of what is done once, a backup or a restore; none for the first state, which is told by
 * Accepted.
 *
 * @param deletion the sentence of the event by which its deletion begins
 */
export function stateChange(before: Stated, after: Stated, deletion: string): readonly StateChange[] {
  if (before.state === after.state || before.state === '') return []
  const because = after.message === undefined ? '' : `: ${cutText(after.message, 200)}`
  const data = {
    from: before.state,
    to: after.state,
    ...(after.reason === undefined ? {} : { reason: after.reason }),
    message: `${before.state} became ${after.state}${because}`,
  }
  if (after.state !== deletingState) return [{ type: 'StateChanged', data }]
  return [
    { type: 'StateChanged', data },
    { type: 'DeletionStarted', data: { message: deletion } },
  ]
}
