import { connect } from 'node:net'

/** Sends one request to the process inside a platform and gives its answer. */
export function askInside(
  controlSocket: string,
  request: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: controlSocket, signal })
    let text = ''
    socket.setEncoding('utf8')
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`))
    socket.on('data', (part: string) => {
      text += part
      if (!text.endsWith('\n')) return
      socket.end()
      const reply = JSON.parse(text) as { ok: boolean; result?: unknown; error?: string }
      if (reply.ok) resolve(reply.result)
      else reject(new Error(`${String(request['op'])}: ${reply.error ?? 'failed'}`))
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`${String(request['op'])}: the platform has ended`)))
  })
}
