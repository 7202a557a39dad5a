import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const PROCESSES = 4
const PORTS = 300

test('no two processes that live at the same time are given one port', async () => {
  const children = Array.from({ length: PROCESSES }, () => fork(join(import.meta.dirname, 'ask-for-ports.ts')))
  try {
    const given = await Promise.all(
      children.map(async (child) => {
        child.send(PORTS)
        const [ports] = (await once(child, 'message')) as [readonly number[]]
        return ports
      }),
    )
    expect(new Set(given.flat()).size).toBe(PROCESSES * PORTS)
  } finally {
    for (const child of children) child.disconnect()
  }
})
