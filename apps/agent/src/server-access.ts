import { type AgentServer, BACKUP_USER } from '@slotkeeper/backup'
import { type NodeTarget, PauseEnded, RedisError, RedisNode, type ServerTls } from '@slotkeeper/redis-client'
import type { TaskContext, TaskOf } from './task-context.ts'

/** Who enters servers, and how. */
export type ServerEntry = {
  readonly username: string
  /** A folder with the password; null where there is none. */
  readonly credentials: string | null
  /** Absent: without TLS. */
  readonly tls?: TaskOf<'FindServers'>['tls']
  /** Without cluster mode: it has all slots. */
  readonly isAlone?: boolean
}

/** How servers are entered: the password is read at each connect, for it may change. */
export type ServerAccess = Pick<TaskContext, 'secrets' | 'signal'> & { readonly task: ServerEntry }

/** An error of a server, with the pod whose it is. */
export class PodError extends RedisError {
  readonly pod: string

  constructor(pod: string, ...error: ConstructorParameters<typeof RedisError>) {
    super(...error)
    this.pod = pod
  }
}

const ANSWER_MS = 5_000
/** A dial is short for those who look at a cluster; nobody waits behind this one, and the server may be far away. */
const DIALLED_WITHIN_MS = 10_000

/** Where a server is, and as whom to enter, with the password as it is now. */
export async function targetOf({ host, port }: AgentServer, { task, secrets }: ServerAccess): Promise<NodeTarget> {
  const { username, credentials, tls } = task
  const password = credentials === null ? '' : await secrets.read(credentials, BACKUP_USER.passwordKey)
  const secure = tls === undefined ? {} : { tls: await tlsOf(tls, secrets) }
  return { host, port, username, password, dialMs: DIALLED_WITHIN_MS, ...secure }
}

async function tlsOf(
  { ca, certificate, serverName }: NonNullable<ServerEntry['tls']>,
  secrets: ServerAccess['secrets'],
): Promise<ServerTls> {
  const shown = certificate === undefined ? undefined : await secrets.readAll(certificate, ['tls.crt', 'tls.key'])
  return {
    ...(ca === undefined ? {} : { ca: await secrets.certificates(ca) }),
    ...(shown === undefined ? {} : { certificate: { chain: shown['tls.crt'], key: shown['tls.key'] } }),
    ...(serverName === undefined ? {} : { serverName }),
  }
}

/**
 * A connection to a server that has answered; to be closed by whoever asked for it.
 *
 * @throws RedisError that names the pod
 */
export async function connectTo(server: AgentServer, access: ServerAccess): Promise<RedisNode> {
  access.signal.throwIfAborted()
  const node = new RedisNode(await targetOf(server, access), () => undefined)
  try {
    await node.call(['ROLE'], DIALLED_WITHIN_MS)
    return node
  } catch (error) {
    node.close()
    throw of(server, error)
  }
}

/** Asks a server on a connection of its own, in one round trip. An answer that is an error is thrown. */
export async function askServer(
  server: AgentServer,
  access: ServerAccess,
  commands: readonly (readonly string[])[],
): Promise<readonly string[]> {
  const node = await connectTo(server, access)
  try {
    const answers = await node.pipeline(commands, ANSWER_MS)
    const refusal = answers.find((one) => one instanceof RedisError)
    if (refusal !== undefined) throw refusal
    return answers.map(String)
  } catch (error) {
    throw of(server, error)
  } finally {
    node.close()
  }
}

/**
 * Who an error is of: one of a server gets the name of its pod, unless it has one already.
 *
 * @param note what else a person should know
 */
export function of({ pod }: Pick<AgentServer, 'pod'>, error: unknown, note = ''): unknown {
  if (!(error instanceof RedisError) || error instanceof PodError || error instanceof PauseEnded) return error
  return new PodError(pod, error.reason, `${pod}: ${error.message}${note}`)
}
