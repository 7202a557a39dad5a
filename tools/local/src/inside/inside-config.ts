import type { PackedImage } from '../images.ts'
import type { CompleteToolchain } from '../toolchain.ts'

/** What the process inside the namespace is told, in a file. */
export type InsideConfig = {
  readonly name: string
  readonly state: string
  readonly zones: readonly string[]
  /** Seconds without a sign of life after which a node counts as lost. */
  readonly nodeGraceSeconds: number
  readonly tools: CompleteToolchain
  readonly images: readonly PackedImage[]
  readonly token: string
}

/** Addresses inside the namespace: the same in every platform, because none sees another. */
export const addresses = {
  controlPlane: '10.245.0.1',
  node: (index: number): string => `10.245.0.${10 + index}`,
  podRange: (index: number): string => `10.244.${index}.0/24`,
  pods: '10.244.0.0/16',
  services: '10.96.0.0/16',
  dns: '10.96.0.10',
} as const

/** The sockets that lead inside, by their place in the state directory. */
export const sockets = { dial: 'dial.sock', control: 'control.sock' } as const
