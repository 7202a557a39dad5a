import { Resolver } from 'node:dns/promises'
import { connect, createServer, isIP, type Server, type Socket } from 'node:net'
import { addresses } from './inside-config.ts'

const resolver = new Resolver({ timeout: 2_000, tries: 2 })
resolver.setServers([addresses.controlPlane])

async function addressOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return host
  const [first] = await resolver.resolve4(host)
  if (first === undefined) throw new Error(`no address for ${host}`)
  return first
}

function bridge(near: Socket, rest: Buffer, host: string, port: number): void {
  const far = connect({ host, port, allowHalfOpen: true })
  far.setNoDelay(true)
  const impatience = setTimeout(() => far.destroy(new Error('not connected in time')), 10_000)
  far.once('connect', () => {
    clearTimeout(impatience)
    if (rest.length > 0) far.write(rest)
    near.pipe(far).pipe(near)
  })
  // An end that breaks must break the other, or the client waits for ever.
  far.on('error', () => near.destroy())
  near.on('error', () => far.destroy())
  far.on('close', () => clearTimeout(impatience))
  near.on('close', () => far.destroy())
}

/** Listens on a socket file: a client sends `host port` and a newline, and what follows is that connection. */
export function listenForDials(path: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (near) => {
    let head = Buffer.alloc(0)
    near.on('error', () => near.destroy())
    const read = (part: Buffer): void => {
      head = Buffer.concat([head, part])
      const end = head.indexOf(10)
      if (end < 0) {
        if (head.length > 300) near.destroy()
        return
      }
      near.off('data', read)
      near.pause()
      const [host = '', port = ''] = head.subarray(0, end).toString().trim().split(' ')
      const rest = head.subarray(end + 1)
      addressOf(host).then(
        (address) => bridge(near, rest, address, Number(port)),
        () => near.destroy(),
      )
    }
    near.on('data', read)
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve(server))
  })
}
