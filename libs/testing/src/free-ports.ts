import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Below the ports that the kernel gives to outgoing connections, and never the same twice in one process: whoever asked
// for a port binds it some time after it was found free.
const FIRST = 20_000
const COUNT = 12_000
/** A file for each port that a process of ours was given, with the id of that process. */
const CLAIMS = join(tmpdir(), 'slotkeeper-ports')
const claimed: number[] = []
let next = Math.floor(Math.random() * COUNT)

process.on('exit', () => {
  for (const port of claimed) rmSync(claimOf(port), { force: true })
})

/**
 * Free TCP ports of 127.0.0.1, all different, that no other process is given by this function as long as this one lives.
 *
 * @param count how many
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  mkdirSync(CLAIMS, { recursive: true })
  const ports: number[] = []
  while (ports.length < count) {
    const port = FIRST + (next++ % COUNT)
    if (claim(port) && (await isFree(port))) ports.push(port)
  }
  return ports
}

function claimOf(port: number): string {
  return join(CLAIMS, String(port))
}

/** A claim outlives a process that was killed: it then counts no more. */
function claim(port: number): boolean {
  try {
    writeFileSync(claimOf(port), String(process.pid), { flag: 'wx' })
    claimed.push(port)
    return true
  } catch {
    if (!isAlive(claimOf(port))) rmSync(claimOf(port), { force: true })
    return false
  }
}

function isAlive(file: string): boolean {
  try {
    return process.kill(Number(readFileSync(file, 'utf8')), 0)
  } catch {
    return false
  }
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
