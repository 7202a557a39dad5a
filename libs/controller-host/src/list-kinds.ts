import type { CallIo, KubeList, Objects } from '@slotkeeper/k8s'
import type { Kind } from './kind.ts'

/** All objects that a process looks after. */
export type Realm = {
  readonly objects: Objects
  readonly kinds: readonly Pick<Kind, 'resource' | 'eventKind'>[]
  /** Empty: all of them. */
  readonly namespaces: readonly string[]
}

/** One list of a realm on its way. */
export type KindList = {
  readonly kind: Realm['kinds'][number]
  /** Empty: all of them. */
  readonly namespace: string
  readonly listed: Promise<KubeList>
}

/** Asks for every kind in every namespace: an installation of some namespaces may list nowhere else. */
export function listKinds({ objects, kinds, namespaces }: Realm, io: CallIo): readonly KindList[] {
  const scopes = namespaces.length === 0 ? [''] : namespaces
  return kinds.flatMap((kind) =>
    scopes.map((namespace) => {
      const { resource } = kind
      const listed = objects.list(resource, namespace === '' ? {} : { namespace }, io)
      return { kind, namespace, listed }
    }),
  )
}
