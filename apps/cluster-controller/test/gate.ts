import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { CLIENT_PORT } from '@slotkeeper/api'
import type { RedisServer } from '@slotkeeper/testing'

/** A server's address as a pod would have it, with a hand on what the server answers. */
export type Gate = {
  /** An address of this machine that is nobody else's, where the server has the port of pods. */
  readonly ip: string
  /** From now on answers wait here. */
  hold(): void
  /** Whether an answer waits. */
  readonly holds: () => boolean
  /** Lets go what waits, and what comes. */
  release(): void
  close(): void
}

/** Opens a gate in front of a server. */
export async function openGate(server: Pick<RedisServer, 'host' | 'port'>): Promise<Gate> {
  const sockets = new Set<Socket>()
  let held = false
  let waiting: (() => void)[] = []
  const front = createServer((near) => {
    const far = connect(server.port, server.host)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy()).on('close', () => other.destroy())
    }
    near.on('data', (chunk) => far.write(chunk))
    far.on('data', (chunk) => {
      if (held) waiting.push(() => near.write(chunk))
      else near.write(chunk)
    })
  })
  const part = (): number => 1 + Math.floor(Math.random() * 250)
  const ip = `127.${part()}.${part()}.${part()}`
  front.listen(CLIENT_PORT, ip)
  await once(front, 'listening')
  return {
    ip,
    hold: () => (held = true),
    holds: () => waiting.length > 0,
    release: () => {
      held = false
      for (const go of waiting) go()
      waiting = []
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      front.close()
    },
  }
}
