/** The parts of an event's id: whose, in which life, and which of that life. */
export type EventId = { readonly uid: string; readonly life: number; readonly seq: number }

/** Reads `<uid>:<life>:<seq>`; null for anything else. */
export function parseEventId(id: string): EventId | null {
  const [, uid, life, seq] = /^([^:]+):(\d{1,15}):(\d{1,15})$/.exec(id) ?? []
  if (uid === undefined || life === undefined || seq === undefined) return null
  return { uid, life: Number(life), seq: Number(seq) }
}
