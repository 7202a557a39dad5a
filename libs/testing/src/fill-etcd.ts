import type { KubeApiServer } from './kube-apiserver.ts'

/** As many writes as etcd takes in one transaction. */
const AT_ONCE = 128

/**
 * Puts objects where the API server keeps them: thousands in a second or two, instead of one call each. What is there
 * under a name is replaced.
 *
 * @param plural of a kind of the core group, with a namespace
 */
export async function fillEtcd(
  api: KubeApiServer,
  plural: string,
  objects: readonly { readonly metadata: { readonly namespace: string; readonly name: string } }[],
): Promise<void> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  for (let first = 0; first < objects.length; first += AT_ONCE) {
    const success = objects.slice(first, first + AT_ONCE).map((object) => {
      const key = base64(`/registry/${plural}/${object.metadata.namespace}/${object.metadata.name}`)
      return { requestPut: { key, value: base64(JSON.stringify(object)) } }
    })
    const signal = AbortSignal.timeout(30_000)
    const answer = await fetch(`${api.etcd}/v3/kv/txn`, { method: 'POST', body: JSON.stringify({ success }), signal })
    if (!answer.ok) throw new Error(`etcd: ${answer.status} ${await answer.text()}`)
  }
}
