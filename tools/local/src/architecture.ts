/** An architecture of images, as Debian and image indexes call it. */
export type Architecture = 'amd64' | 'arm64'

/** The architecture of this machine; throws when nothing of ours is made for it. */
export function ownArchitecture(): Architecture {
  const name = process.arch === 'x64' ? 'amd64' : process.arch
  if (name === 'amd64' || name === 'arm64') return name
  throw new Error(`this machine is ${process.arch}. Remedy: one of amd64 and arm64`)
}
