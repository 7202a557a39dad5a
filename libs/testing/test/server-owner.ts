/** A process that starts a server, tells where it is as one JSON line, and waits. */
import { startNatsServer, startObjectStorage, startRedisServer } from '../src/index.ts'

const starts: Readonly<Record<string, () => Promise<{ readonly port: number; readonly dir: string }>>> = {
  nats: startNatsServer,
  valkey: () => startRedisServer('valkey-9.1'),
  s3: startObjectStorage,
  's3 on a small disk': () => startObjectStorage({ diskBytes: 10_000_000 }),
}
const started = await starts[process.argv[2] ?? '']?.()
process.stdout.write(`${JSON.stringify({ port: started?.port, dir: started?.dir })}\n`)
