import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type ContainerKey, type ContainerKeys, parseContainerKey } from '@slotkeeper/object-storage'
import { AgentError } from './agent-error.ts'

/** Reads what is mounted from Secrets, and remembers it, so that no text that leaves the process holds any of it. */
export class MountedSecrets {
  readonly #known = new Set<string>()

  /**
   * The value of a key, read anew each time, since it may change: without spaces and ends of lines around it.
   *
   * @throws AgentError `SecretMissing` that names the key
   */
  async read(folder: string, key: string): Promise<string> {
    const value = await this.readOptional(folder, key)
    if (value !== undefined) return value
    throw missing(`the Secret mounted at ${folder} has no value under the key ${key}`)
  }

  /** As `read`, but undefined where there is none. */
  async readOptional(folder: string, key: string): Promise<string | undefined> {
    const text = await readFile(join(folder, key), 'utf8').catch((error: unknown) => {
      if (isAbsent(error)) return ''
      throw missing(`the file ${join(folder, key)} can't be read: ${codeOf(error)}`)
    })
    const value = text.trim()
    if (value === '') return undefined
    this.#known.add(value)
    return value
  }

  /** A file that is no secret, as certificates are: as it is. */
  async certificates(path: string): Promise<string> {
    return readFile(path, 'utf8').catch((error: unknown) => {
      throw missing(`the certificates ${basename(path)} in ${dirname(path)} can't be read: ${codeOf(error)}`)
    })
  }

  /** A key of encryption; `KeyWrong` for what is none. */
  async key(folder: string, id: string): Promise<ContainerKey> {
    const text = await this.read(folder, id)
    try {
      return parseContainerKey(id, text)
    } catch (error) {
      throw new AgentError('KeyWrong', error instanceof RangeError ? error.message : `the key ${id} is none`)
    }
  }

  /** All keys of encryption by id; `SecretMissing` where the current one is not among them. */
  async keys(folder: string, current: string): Promise<ContainerKeys> {
    const names = await readdir(folder).catch(() => [])
    // Kubernetes mounts by way of links and folders whose names begin with dots.
    const ids = new Set([current, ...names.filter((name) => !name.startsWith('.'))])
    const found = await Promise.all(Array.from(ids, (id) => this.key(folder, id)))
    return new Map(found.map(({ id, key }) => [id, key]))
  }

  /** A text without what was read here. */
  withheld(text: string): string {
    return Array.from(this.#known).reduce((clean, secret) => clean.replaceAll(secret, '(withheld)'), text)
  }
}

const missing = (message: string): AgentError =>
  new AgentError('SecretMissing', `${message}. Put it there, and look how it is mounted`)

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'

const isAbsent = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(codeOf(error))
