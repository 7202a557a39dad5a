import { expect, vi } from 'vitest'
import {
  type Change,
  configMaps,
  type Kube,
  type KubeObject,
  type Reflector,
  type ReflectorOptions,
  startReflector,
} from '../src/index.ts'

/** What a test looks at of a ConfigMap. */
export type Seen = { readonly name: string; readonly uid: string; readonly version: string; readonly value: string }

/** What is kept of a ConfigMap. */
export function projectConfigMap({ metadata, data }: KubeObject): Seen {
  const value = (data as { readonly value?: string } | undefined)?.value ?? ''
  return { name: metadata.name, uid: metadata.uid ?? '', version: metadata.resourceVersion ?? '', value }
}

/** A reflector, and all that it has told. */
export type Followed = {
  readonly reflector: Reflector<Seen>
  readonly changes: Change<Seen>[]
  readonly problems: unknown[]
}

/** Follows ConfigMaps with short limits of time, and keeps what it is told. */
export function followConfigMaps(
  kube: Kube,
  signal: AbortSignal,
  options: Partial<ReflectorOptions<Seen>> = {},
): Followed {
  const changes: Change<Seen>[] = []
  const problems: unknown[] = []
  const reflector = startReflector<Seen>(
    {
      kube,
      resource: configMaps,
      project: projectConfigMap,
      onChange: (change) => void changes.push(change),
      onProblem: (problem) => problems.push(problem),
      inactivityMs: 400,
      backoffMs: { min: 5, max: 100 },
      ...options,
    },
    signal,
  )
  return { reflector, changes, problems }
}

/** In the order of their names. */
export const byName = (seen: readonly Seen[]): Seen[] => seen.toSorted((one, other) => (one.name < other.name ? -1 : 1))

/** Waits until the cache holds just these, and checks that the changes told the same story, beginning with `before`. */
export async function expectTold(
  { reflector, changes }: Followed,
  expected: readonly Seen[],
  before: readonly Seen[] = [],
): Promise<void> {
  await vi.waitFor(() => expect(byName(reflector.list())).toEqual(expected), { timeout: 30_000, interval: 20 })
  const told = new Map(before.map((seen) => [seen.name, seen]))
  for (const change of changes) {
    const { name, uid } = change.object
    const known = told.get(name)
    if (change.type === 'added') expect(known).toBeUndefined()
    else expect(known?.uid).toBe(uid)
    if (change.type === 'modified') expect(change.previous).toEqual(known)
    if (change.type === 'deleted') told.delete(name)
    else told.set(name, change.object)
  }
  expect(byName([...told.values()])).toEqual(expected)
}
