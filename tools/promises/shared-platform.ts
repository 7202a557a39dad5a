import { startPlatform } from '../local/src/index.ts'
import { install } from '../demo/tour.ts'

declare module 'vitest' {
  // How vitest has its own types told what a set-up provides: by merging into this interface.
  interface ProvidedContext {
    /** Name of the platform that all promise tests share. */
    platform: string
  }
}

type Provider = { provide(key: 'platform', name: string): void }

/** Starts the one platform of all promise tests, with Slotkeeper installed; gives back how to end it. */
export default async function sharedPlatform(project: Provider): Promise<() => Promise<void>> {
  const platform = await startPlatform({ name: `promises-${process.pid}` })
  try {
    await install(platform)
  } catch (error) {
    await platform.stop()
    throw error
  }
  project.provide('platform', platform.name)
  return () => platform.stop()
}
