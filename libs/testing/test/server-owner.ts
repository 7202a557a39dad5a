/** A process that starts a server, tells where it is as one JSON line, and waits. */
import { startNatsServer, startRedisServer } from '../src/index.ts'

const { port, dir } = await (process.argv[2] === 'nats' ? startNatsServer() : startRedisServer('valkey-9.1'))
process.stdout.write(`${JSON.stringify({ port, dir })}\n`)
