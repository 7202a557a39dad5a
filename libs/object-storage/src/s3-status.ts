import { S3ServiceException } from '@aws-sdk/client-s3'

/** The status of HTTP that the server answered, or 0. What answers HEAD has nothing else to say. */
export const s3StatusOf = (error: unknown): number =>
  error instanceof S3ServiceException ? (error.$metadata.httpStatusCode ?? 0) : 0
