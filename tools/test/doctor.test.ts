import { mkdtemp, rm } from 'node:fs/promises'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ensurePrograms, installCommand, missingPrograms } from '../local/src/debian-programs.ts'
import { root } from '../workspace.ts'

let empty: string
beforeAll(async () => {
  empty = await mkdtemp(join(tmpdir(), 'slotkeeper-doctor-'))
})
afterAll(() => rm(empty, { recursive: true, force: true }))

/** Runs the platform's command where nothing was built and no Go is to be found. */
function run(args: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const program = [join(root, 'tools/local/main.ts'), ...args]
  const { NO_COLOR: _, FORCE_COLOR: __, ...inherited } = process.env
  const env = { ...inherited, PATH: '/usr/bin:/bin', XDG_CACHE_HOME: empty, ...more }
  return spawnSync(process.execPath, program, { env, encoding: 'utf8', timeout: 50_000 })
}

describe('make doctor', () => {
  test('says in one line each what is missing and what to do, and fails', () => {
    const { stdout, status } = run(['doctor'])
    const lines = stdout.trimEnd().split('\n')
    expect(lines.find((line) => line.includes('Node 24'))).toBe(`ok       Node 24           ${process.versions.node}`)
    expect(lines.filter((line) => /Go 1|toolchain {2}|Redis/.test(line))).toEqual([
      'MISSING  Go 1.26           install Go 1.26 or newer, and put it on PATH',
      'MISSING  toolchain         make toolchain; it builds for 8 minutes or more the first time',
      'MISSING  Redis and Valkey  make toolchain',
    ])
    for (const line of lines) expect(line).toMatch(/^(ok {7}\S.*|MISSING {2}\S.{15} {2}\S.*)$/)
    expect(status).toBe(1)
  })

  test('is coloured where that is wanted, and plain in a pipe', () => {
    expect(run(['doctor']).stdout).not.toContain('\u001b')
    expect(run(['doctor'], { FORCE_COLOR: '1' }).stdout).toContain('\u001b[31mMISSING\u001b[39m')
  })
})

describe('what cannot be had', () => {
  test('Go: one line with the remedy', () => {
    const { stderr, status } = run(['ensure', 'pause'])
    expect(stderr).toBe('Go is missing. Remedy: install Go 1.26 or newer, and put it on PATH\n')
    expect(status).toBe(1)
  })

  test('Debian packages, for an ordinary user: the one command that brings them all, each once', async () => {
    const missing = missingPrograms([empty])
    expect(missing.length).toBeGreaterThan(8)
    expect(missingPrograms([empty, '/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/lib/cni'])).toEqual([])
    const refused = ensurePrograms(() => undefined, AbortSignal.timeout(10_000), { where: [empty], root: false })
    await expect(refused).rejects.toThrow(`Debian packages are missing. Remedy, as root: ${installCommand(missing)}`)
    const packages = installCommand(missing).split(' --no-install-recommends ')[1]?.split(' ')
    expect(packages).toEqual([...new Set(missing.map((one) => one.package))])
  })
})
