import { checkStorage, openDirectory } from '../src/index.ts'

/** Checks the directory that is named, and says what came of it. */
const [directory = ''] = process.argv.slice(2)
const limits = { signal: new AbortController().signal, deadlineMs: 60_000 }
process.stdout.write(JSON.stringify(await checkStorage(openDirectory({ directory }), limits)))
