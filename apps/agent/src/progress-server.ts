import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { AgentProgress } from '@slotkeeper/backup'

/** The server of `GET /progress`. */
export type ProgressServer = { readonly port: number; close(): void }

/** Who asks and then says nothing is let go of. */
const REQUEST_MS = 5_000

/**
 * Answers `GET /progress`, and 404 to all else, until it is closed.
 *
 * @param port 0 for any that is free
 * @throws Error of Node where it can't listen
 */
export async function startProgressServer(port: number, now: () => AgentProgress): Promise<ProgressServer> {
  const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) => {
    request.resume()
    if (request.method !== 'GET' || request.url !== '/progress') return void response.writeHead(404).end()
    response.writeHead(200, { 'content-type': 'application/json', connection: 'close' }).end(JSON.stringify(now()))
  })
  server.listen(port)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
