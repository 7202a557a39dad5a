import { openDirectory } from '../src/index.ts'

/** Stores without an end into the directory that is named; says a word once it has begun. */
const [directory = ''] = process.argv.slice(2)

async function* endless(): AsyncGenerator<Buffer> {
  for (let chunk = 0; ; chunk += 1) {
    if (chunk === 3) process.stdout.write('begun\n')
    yield Buffer.alloc(1000)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const limits = { signal: new AbortController().signal, deadlineMs: 60_000 }
await openDirectory({ directory, maxBytesPerSecond: 100_000 }).put('backup/one', endless(), limits)
