import { expect } from 'vitest'
import type { Pod } from './pod.ts'
import { volumeDigest } from './volume-digest.ts'

/** Starts a pod whose boot guard refuses the volume: it ends, says why in these words, and touches nothing. */
export async function refusesVolume(pod: Pod, message: RegExp): Promise<void> {
  const before = await volumeDigest(pod.data)
  await pod.start()
  expect(await pod.ended()).toBe(78)
  expect(await pod.message()).toMatch(/^VolumeHasOtherData: .*; nothing was touched$/)
  expect(await pod.message()).toMatch(message)
  // All of it must fit into the condition.
  expect((await pod.message()).length).toBeLessThan(300)
  expect(await volumeDigest(pod.data)).toBe(before)
}
