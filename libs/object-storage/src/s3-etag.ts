/** An etag as it is compared: servers put it between quotes, but Ceph leaves them out where an upload of parts ends. */
export const s3EtagOf = (given: string | undefined): string => (given ?? '').replaceAll('"', '')
