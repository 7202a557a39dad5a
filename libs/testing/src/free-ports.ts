import { once } from 'node:events'
import { createServer, type ListenOptions, type Server } from 'node:net'

// Below the ports that the kernel gives to outgoing connections, and never the same twice in one process: whoever asked
// for a port binds it some time after it was found free.
const FIRST = 20_000
const COUNT = 12_000
let next = Math.floor(Math.random() * COUNT)

/**
 * Free TCP ports of 127.0.0.1, all different, that no other process is given by this function as long as this one lives.
 *
 * @param count how many
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = FIRST + (next++ % COUNT)
    if (!(await isFree(port)) || !(await claim(port))) continue
    ports.push(port)
  }
  return ports
}

/** Takes a name that the kernel gives to one process at a time, and takes back with the process, however it ends. */
async function claim(port: number): Promise<boolean> {
  const holder = await listen({ path: `\0slotkeeper-port-${port}` })
  holder?.unref()
  return holder !== undefined
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen({ port, host: '127.0.0.1' })
  if (server === undefined) return false
  await once(server.close(), 'close')
  return true
}

async function listen(where: ListenOptions): Promise<Server | undefined> {
  const server = createServer().listen(where)
  try {
    await once(server, 'listening')
    return server
  } catch {
    return undefined
  }
}
