import { ensureDebianRoot, type DebianRoot } from './debian-root.ts'
import type { Log } from './step-log.ts'

// Libraries that are dropped from the roots of servers, which need none of them, and that Ceph is linked with.
const libraries = ['libblkid1', 'libudev1', 'libuuid1', 'libncurses6', 'libncursesw6', 'libmount1']

const root: DebianRoot = {
  name: 'ceph',
  suite: 'trixie',
  packages: ['ceph-mon', 'ceph-osd', 'radosgw', 'dash', 'coreutils', ...libraries],
}

/** Unpacks Ceph with its S3 gateway, and gives the root folder that its programs run in. Some 0.6 GB; only `make test-storage` needs it. */
export const ensureCeph = (log: Log, signal: AbortSignal): Promise<string> => ensureDebianRoot(root, log, signal)
