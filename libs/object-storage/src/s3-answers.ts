import type { S3Client } from '@aws-sdk/client-s3'
import { StorageError } from './storage-error.ts'

/** What the answer to a command is called, where nothing in it would be a success as well. */
const ROOTS: Readonly<Record<string, string>> = {
  ListObjectsV2Command: 'ListBucketResult',
  DeleteObjectsCommand: 'DeleteResult',
  ListMultipartUploadsCommand: 'ListMultipartUploadsResult',
}
/** What answers with an object, which may be a page itself, or would. */
const OF_OBJECTS: ReadonlySet<string> = new Set(['GetObjectCommand', 'HeadObjectCommand'])
/** What answers with headers only, of which some say how long the body would be. */
const WITHOUT_BODY: ReadonlySet<string> = new Set(['HeadBucketCommand'])
/** How a page begins. */
const PAGE = /^<(?:!doctype|html|head|body|script|meta)\b/i

type Answer = { readonly statusCode: number; readonly headers: Readonly<Record<string, string>>; body?: unknown }

/** Has a client refuse answers that are none of S3: it takes a page of a proxy for an empty list, and for a delete that is done. */
export function refuseOthers({ middlewareStack }: S3Client): void {
  middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        const given = await next(args)
        const answer = given.response as Answer
        if (answer.statusCode < 300) await checkAnswer(answer, commandName)
        return given
      },
    // Before anything is made of the answer.
    { step: 'deserialize', priority: 'low', name: 'slotkeeperAnswers' },
  )
}

async function checkAnswer(answer: Answer, command: string): Promise<void> {
  const root = ROOTS[command]
  if (root !== undefined) {
    const text = await bodyOf(answer)
    answer.body = text
    if (!text.includes(`<${root}`)) throw answeredByOther(answer.statusCode)
    return
  }
  // Google, and servers with a web framework below, say it of their empty answers.
  const saysPage = answer.headers['content-type']?.toLowerCase().startsWith('text/html') === true
  if (saysPage && !OF_OBJECTS.has(command) && (await isPage(answer, command))) throw answeredByOther(answer.statusCode)
}

async function isPage(answer: Answer, command: string): Promise<boolean> {
  if (WITHOUT_BODY.has(command)) return Number(answer.headers['content-length'] ?? 0) > 0
  const text = await bodyOf(answer)
  answer.body = text
  return beginsAsPage(text.toString())
}

/** A declaration of XML and comments may come before. */
function beginsAsPage(text: string): boolean {
  let rest = text.trimStart().replace(/^<\?xml[^>]*>\s*/, '')
  while (rest.startsWith('<!--')) {
    const end = rest.indexOf('-->')
    if (end === -1) return false
    rest = rest.slice(end + '-->'.length).trimStart()
  }
  return PAGE.test(rest)
}

async function bodyOf({ body }: Answer): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body as AsyncIterable<Uint8Array>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const answeredByOther = (status: number): StorageError =>
  new StorageError(
    'Refused',
    `the server answered ${status}, and not as S3 does`,
    'Look whether the endpoint is right, and whether a proxy on the way answers itself',
  )
