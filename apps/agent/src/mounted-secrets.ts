import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { MountedSecret } from '@slotkeeper/backup'
import { type ContainerKey, type ContainerKeys, parseContainerKey } from '@slotkeeper/object-storage'
import { AgentError } from './agent-error.ts'

/** Reads what is mounted from Secrets, and remembers it, so that no text that leaves the process holds any of it. */
export class MountedSecrets {
  readonly #known = new Set<string>()
  #mounts: readonly MountedSecret[] = []

  /** Says what the folders are mounted from: sentences then name the Secret, its keys and the field. */
  mountedAs(mounts: readonly MountedSecret[]): void {
    this.#mounts = mounts
  }

  /**
   * The value of a key, read anew each time, since it may change: without spaces and ends of lines around it.
   *
   * @throws AgentError `SecretMissing` that names the key
   */
  async read(folder: string, key: string): Promise<string> {
    const values = await this.readAll(folder, [key])
    return values[key] ?? ''
  }

  /** As `read`, of several keys of one Secret: all that are missing are named at once. */
  async readAll<K extends string>(folder: string, keys: readonly K[]): Promise<Readonly<Record<K, string>>> {
    const found = await Promise.all(keys.map(async (key) => [key, await this.readOptional(folder, key)] as const))
    const absent = found.flatMap(([key, value]) => (value === undefined ? [this.#keyIn(folder, key)] : []))
    if (absent.length > 0)
      throw this.missing(folder, `the ${absent.length === 1 ? 'key' : 'keys'} ${absent.join(' and ')}`)
    return Object.fromEntries(found) as Record<K, string>
  }

  /** As `read`, but undefined where there is none. */
  async readOptional(folder: string, key: string): Promise<string | undefined> {
    const value = (await this.#textOf(folder, key)).trim()
    if (value === '') return undefined
    this.#known.add(value)
    return value
  }

  /** A file that is no secret, as certificates are: as it is. */
  async certificates(path: string): Promise<string> {
    const [folder, key] = [dirname(path), basename(path)]
    const text = await this.#textOf(folder, key)
    if (text.trim() === '') throw this.missing(folder, `the key ${this.#keyIn(folder, key)}`)
    return text
  }

  /** A key of encryption; `KeyWrong` for what is none. */
  async key(folder: string, id: string): Promise<ContainerKey> {
    const text = await this.read(folder, id)
    try {
      return parseContainerKey(id, text)
    } catch (error) {
      throw this.wrong(folder, error instanceof RangeError ? error.message : `the key ${id} is none`)
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

  /**
   * What is not there: a Secret that does not exist and one without the key look the same from here.
   *
   * @param keys in words, as `the key password`
   */
  missing(folder: string, keys: string): AgentError {
    const mount = this.#mountOf(folder)
    if (mount === undefined)
      return missing(`the Secret mounted at ${folder} does not exist, or has no value under ${keys}: create it`)
    const { secret, namespace, field } = mount
    const what = `the Secret ${secret} does not exist in the namespace ${namespace}, or has no value under ${keys}`
    return missing(field === undefined ? `${what}: ${RESTORE_IT}` : `${what}: create it (${field})`)
  }

  /**
   * What is there and can't be what it is for.
   *
   * @param what a clause with a remedy, and without what was read
   */
  wrong(folder: string, what: string): AgentError {
    return new AgentError('KeyWrong', `${this.#nameOf(folder)}: ${what}`)
  }

  /** A text without what was read here. */
  withheld(text: string): string {
    return Array.from(this.#known).reduce((clean, secret) => clean.replaceAll(secret, '(withheld)'), text)
  }

  /** Empty where there is none. */
  async #textOf(folder: string, key: string): Promise<string> {
    return readFile(join(folder, key), 'utf8').catch((error: unknown) => {
      if (isAbsent(error)) return ''
      const file = `the key ${this.#keyIn(folder, key)} can't be read at ${join(folder, key)} (${codeOf(error)})`
      throw missing(`${this.#nameOf(folder)}: ${file}: look how it is mounted`)
    })
  }

  #mountOf(folder: string): MountedSecret | undefined {
    return this.#mounts.find(({ path }) => path === folder)
  }

  /** A key as people know it, by its file. */
  #keyIn(folder: string, file: string): string {
    return this.#mountOf(folder)?.keys?.[file] ?? file
  }

  #nameOf(folder: string): string {
    const mount = this.#mountOf(folder)
    if (mount === undefined) return `the Secret mounted at ${folder}`
    const { secret, field } = mount
    return field === undefined ? `the Secret ${secret}` : `the Secret ${secret} (${field})`
  }
}

/** Of what is made with a cluster, and with passwords that its servers have had since. */
const RESTORE_IT =
  'it was made with the RedisCluster, and is never made anew: restore it from a backup of your Secrets. One that was made before there were backups has no user for them'

const missing = (message: string): AgentError => new AgentError('SecretMissing', message)

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'

const isAbsent = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(codeOf(error))
