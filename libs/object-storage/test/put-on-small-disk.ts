import { readdir } from 'node:fs/promises'
import { openDirectory, StorageError } from '../src/index.ts'

/** Stores more than the disk at the folder that is named can hold, and says what came of it, and what is left there. */
const [directory = ''] = process.argv.slice(2)
const limits = { signal: new AbortController().signal, deadlineMs: 60_000 }

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) yield Buffer.alloc(1_000_000)
}

const outcome = await openDirectory({ directory })
  .put('backup/one', endless(), limits)
  .then(
    () => 'none',
    (error: unknown) => (error instanceof StorageError ? error.fault : String(error)),
  )
process.stdout.write(JSON.stringify({ outcome, left: await readdir(directory, { recursive: true }) }))
