import type { Duplex } from 'node:stream'
import type { Platform } from './platform.ts'

/** Opens connections; a cluster-aware client is given one in place of its own way to connect. */
export type Dialer = (host: string, port: number) => Duplex

/** A dialer for addresses of pods, which nothing outside the platform reaches otherwise. */
export function createDialer(platform: Pick<Platform, 'dial'>): Dialer {
  return (host, port) => platform.dial(host, port)
}
