import { randomBytes } from 'node:crypto'
import type { S3User } from './signed-request.ts'

/** The one bucket of a server of tests. */
export const BUCKET = 'backups'

/** Actions that are about the bucket; the others are about its objects. */
const ofBucket = /^s3:(ListBucket|ListBucketMultipartUploads|GetBucketLocation)$/

/** A user with a name and credentials that nobody had before. */
export const drawUser = (name: string): S3User => ({
  accessKeyId: `${name}-${randomBytes(4).toString('hex')}`,
  secretAccessKey: randomBytes(20).toString('hex'),
})

/**
 * The policy of the bucket that lets users do what they may, and nothing else.
 *
 * @param rights actions by the name of a user
 * @param principalOf how the server writes a user in a policy
 */
export function policyOf(
  rights: Readonly<Record<string, readonly string[]>>,
  principalOf: (name: string) => string,
): string {
  const statements = Object.entries(rights).flatMap(([name, actions]) =>
    [
      { Action: actions.filter((action) => ofBucket.test(action)), Resource: `arn:aws:s3:::${BUCKET}` },
      { Action: actions.filter((action) => !ofBucket.test(action)), Resource: `arn:aws:s3:::${BUCKET}/*` },
    ]
      .filter(({ Action }) => Action.length > 0)
      .map((part) => ({ Effect: 'Allow', Principal: { AWS: [principalOf(name)] }, ...part })),
  )
  return JSON.stringify({ Version: '2012-10-17', Statement: statements })
}
