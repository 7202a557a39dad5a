import { once } from 'node:events'
import { createServer } from 'node:net'

// Below the ports that the kernel gives to outgoing connections, and never the same twice in one process: whoever asked
// for a port binds it some time after it was found free.
const FIRST = 20_000
const COUNT = 12_000
let next = Math.floor(Math.random() * COUNT)

/**
 * Free TCP ports of 127.0.0.1, all different.
 *
 * @param count how many
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = FIRST + (next++ % COUNT)
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  await once(server.close(), 'close')
  return true
}
