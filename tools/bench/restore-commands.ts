import { Crc64, type RdbListener } from '@slotkeeper/rdb'

const RESTORE = Buffer.from('RESTORE')
const ABSOLUTE = Buffer.from('ABSTTL')

/**
 * Makes of each key of an RDB file the RESTORE that stores it elsewhere: its payload is what DUMP would have given.
 *
 * @param take is given the slot of the key and the words of the command
 */
export function restoreCommands(take: (slot: number, words: readonly Buffer[]) => void): RdbListener {
  let version = 0
  let held: { readonly slot: number; readonly key: Buffer; readonly endsAt: number; readonly type: number } | undefined
  let skipped = 0
  let pieces: Buffer[] = []
  const finish = (): void => {
    if (held === undefined) return
    const { slot, key, endsAt, type } = held
    const [front, back] = [Buffer.of(type), Buffer.alloc(2)]
    back.writeUInt16LE(version)
    const body = Buffer.concat([front, ...pieces, back])
    const payload = Buffer.concat([body, new Crc64().update(body).digest()])
    take(slot, [RESTORE, key, Buffer.from(String(endsAt)), payload, ABSOLUTE])
    held = undefined
  }
  return {
    header: (header) => void (version = header.version),
    section: finish,
    record: ({ slot, key, expiresAtMs, type, valueOffset }) => {
      finish()
      held = { slot, key, endsAt: expiresAtMs ?? 0, type: type.number }
      skipped = valueOffset
      pieces = []
    },
    bytes: (source, start, end) => {
      if (held === undefined) return
      const from = Math.min(end, start + skipped)
      skipped -= from - start
      if (from < end) pieces.push(Buffer.from(source.subarray(from, end)))
    },
    end: finish,
  }
}
