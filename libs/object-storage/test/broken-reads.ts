import { randomBytes } from 'node:crypto'
import type { SeenRequest, startFaultyStorage } from '@slotkeeper/testing'
import { expect } from 'vitest'
import type { ObjectStore } from '../src/index.ts'
import { collect, faultOf, limits, PART, streamOf } from './storages.ts'

/** A storage behind a proxy that breaks answers. */
export type BreakableStorage = {
  readonly store: ObjectStore
  readonly proxy: Awaited<ReturnType<typeof startFaultyStorage>>
  /** Whether a request reads an object. */
  readonly isGet: (seen: SeenRequest) => boolean
  /** Of two parts and some more. */
  readonly data: Buffer
}

const CUT = { kind: 'cut-answer', after: 1_000_000 } as const

/** Reading goes on where the connection broke, again and again. */
export async function expectReadOn({ store, proxy, isGet, data }: BreakableStorage): Promise<void> {
  await store.put('backup', streamOf(data), limits())
  proxy.fault = (seen) => (isGet(seen) ? CUT : undefined)
  expect((await collect(store.get('backup', limits()))).equals(data)).toBe(true)
  const part = await collect(store.get('backup', { ...limits(), from: 1000, to: PART + 1000 }))
  expect(part.equals(data.subarray(1000, PART + 1000))).toBe(true)
  expect(proxy.requests.filter(isGet).length).toBeGreaterThan(10)
}

/** It never goes on in another object of the same name. */
export async function expectSameObject({ store, proxy, isGet, data }: BreakableStorage): Promise<void> {
  await store.put('backup', streamOf(data), limits())
  let hasBegun = false
  proxy.fault = (seen) => (isGet(seen) && !hasBegun ? CUT : undefined)
  const reading = async () => {
    for await (const _chunk of store.get('backup', limits())) {
      if (hasBegun) continue
      hasBegun = true
      await store.put('backup', streamOf(randomBytes(data.length)), limits())
    }
  }
  expect(await faultOf(reading())).toBe('Refused')
}
