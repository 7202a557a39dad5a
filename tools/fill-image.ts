import { mkdir } from 'node:fs/promises'
import { fillSlotkeeper, slotkeeperParts } from './local/src/index.ts'

/**
 * Fills a folder with all that the image of the apps holds, for any of our architectures on any of them. The Dockerfile
 * calls it, after `make bundle`: a release holds what the local platform runs.
 */
const [folder = '', architecture = ''] = process.argv.slice(2)
if (folder === '' || (architecture !== 'amd64' && architecture !== 'arm64')) {
  console.error('usage: node tools/fill-image.ts FOLDER amd64|arm64')
  process.exit(2)
}
const signal = AbortSignal.timeout(15 * 60_000)
const parts = await slotkeeperParts(architecture, (line) => console.error(line), signal)
if (parts.bundles.size === 0) {
  console.error('no app is bundled. Remedy: make bundle')
  process.exit(1)
}
await mkdir(folder, { recursive: true })
await fillSlotkeeper(folder, parts)
console.error(`${folder}: ${[...parts.bundles.keys()].join(', ')} for ${architecture}`)
