import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A port on this machine that leads into the platform. */
export type Forward = { readonly port: number; close(): Promise<void> }

/** Opens a connection to an address inside the platform; names are resolved by its DNS. */
export function dialInside(dialSocket: string, host: string, port: number): Socket {
  // Not half open: an end of the far side, before or after it was reached, must close this one, or its user waits for ever.
  const socket = connect({ path: dialSocket })
  socket.write(`${host} ${port}\n`)
  return socket
}

/** Listens on a free port of 127.0.0.1 and leads every connection to an address that may change. */
export function forwardTo(
  dialSocket: string,
  target: () => Promise<{ readonly host: string; readonly port: number }>,
): Promise<Forward> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (near) => {
    open.add(near)
    near.on('close', () => open.delete(near))
    near.on('error', () => near.destroy())
    target().then(
      ({ host, port }) => {
        const far = dialInside(dialSocket, host, port)
        far.on('error', () => near.resetAndDestroy())
        near.on('close', () => far.destroy())
        far.on('close', () => near.destroySoon())
        near.pipe(far).pipe(near)
        near.resume()
      },
      () => near.resetAndDestroy(),
    )
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () =>
          new Promise((done) => {
            for (const socket of open) socket.destroy()
            server.close(() => done())
          }),
      })
    })
  })
}
