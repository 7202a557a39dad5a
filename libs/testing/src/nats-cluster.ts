import { freePorts } from './free-ports.ts'
import { type NatsServer, startNatsServer } from './nats-server.ts'

/** Servers that keep streams together. */
export type NatsCluster = {
  /** All of them, as a client takes it. */
  readonly url: string
  readonly servers: ReadonlyMap<string, NatsServer>
  stop(): Promise<void>
}

/** Starts real nats-servers that know each other by the names `nats-0`, `nats-1`, ... */
export const startNatsCluster = async (size: number): Promise<NatsCluster> => {
  const routes = await freePorts(size)
  const started = await Promise.all(
    routes.map(async (port, index) => {
      const name = `nats-${index}`
      const others = routes.filter((other) => other !== port)
      return [name, await startNatsServer({ route: { name, port, others } })] as const
    }),
  )
  const servers = new Map(started)
  return {
    url: [...servers.values()].map(({ url }) => url).join(),
    servers,
    stop: async () => void (await Promise.all([...servers.values()].map((server) => server.stop()))),
  }
}
