import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PATIENCE_MS, type Place, readToolchain, until } from '@slotkeeper/testing'
import { send } from './slot-keys.ts'

/** `redis-cli --cluster reshard` at work. */
export type Reshard = {
  signal(what: 'SIGSTOP' | 'SIGCONT'): void
  /** Ends it where it stands. */
  kill(): Promise<void>
  /** Resolves when it has ended by itself, or was killed. */
  readonly ended: Promise<unknown>
}

/** What is to be moved. */
export type Move = { readonly source: Place; readonly destination: Place; readonly count: number }

/**
 * Begins to move the first slots of one primary to another, by the tool of the engine.
 *
 * @param part of all keys of the source, from 0 to 1, that it has moved when this resolves
 */
export async function startReshard(
  engine: string,
  { source, destination, count }: Move,
  part: number,
): Promise<Reshard> {
  const cli = (await readToolchain()).servers[engine]?.cli
  if (cli === undefined) throw new Error(`no client of ${engine}: run \`make toolchain\``)
  const { host, port } = source.server
  const keys = async (): Promise<number> => Number((await send(source, [['DBSIZE']]))[0])
  const all = await keys()
  const ends = ['--cluster-from', source.id, '--cluster-to', destination.id, '--cluster-slots', String(count)]
  const mover = spawn(cli, ['--cluster', 'reshard', `${host}:${port}`, ...ends, '--cluster-yes'], { stdio: 'ignore' })
  const ended = once(mover, 'exit')
  const kill = async (): Promise<void> => {
    mover.kill('SIGKILL')
    await ended
  }
  try {
    const moved = async () => ((await keys()) <= all * (1 - part) ? true : undefined)
    await until('its progress', PATIENCE_MS, moved, { everyMs: 0 })
  } catch (error) {
    await kill()
    throw error
  }
  return { signal: (what) => void mover.kill(what), kill, ended }
}
