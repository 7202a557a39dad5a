/**
 * An etag as it is compared: servers put it between quotes, but Ceph leaves them out where an upload of parts ends,
 * and Azure in lists.
 */
export const bareEtag = (given: string | undefined): string => (given ?? '').replaceAll('"', '')
