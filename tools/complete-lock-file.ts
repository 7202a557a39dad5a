import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

type Entry = {
  readonly version?: string
  readonly optional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly [key: string]: unknown
}
type LockFile = { readonly packages: Record<string, Entry> }

/**
 * npm leaves packages of other platforms out of the lock file where a registry does not carry them, and `npm ci` then
 * refuses the file. This adds them by name, for the platforms that their names tell: npm passes over what does not fit.
 */
const file = join(import.meta.dirname, '../package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8')) as LockFile
const systems = ['linux', 'darwin', 'win32', 'freebsd', 'android', 'openharmony', 'aix', 'netbsd', 'openbsd', 'sunos']
const cpus = ['x64', 'arm64', 'arm', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64', 'mips64el', 'wasm32']
let added = 0
for (const entry of Object.values({ ...lock.packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const path = `node_modules/${name}`
    if (lock.packages[path] !== undefined) continue
    const words = name.split(/[/-]/)
    lock.packages[path] = {
      version: version.replace(/^[\^~]/, ''),
      optional: true,
      dev: true,
      os: systems.filter((one) => words.includes(one)),
      cpu: cpus.filter((one) => words.includes(one)),
      ...(words.includes('musl') || words.includes('gnu') ? { libc: [words.includes('musl') ? 'musl' : 'glibc'] } : {}),
    }
    added += 1
  }
}
const packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(file, `${JSON.stringify({ ...lock, packages }, null, 2)}\n`)
console.log(`${added} packages of other platforms named`)
