import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { type KubeApiServer, startKubeApiServer } from '@slotkeeper/testing'
import {
  BACKUP_CONTROLLER_RULES,
  CLUSTER_CONTROLLER_RULES,
  NODES_RULES,
  OWN_NAMESPACE_RULES,
  OWN_POD_RULES,
  RESTORE_CONTROLLER_RULES,
} from '../rbac.ts'
import { readSources, root } from '../workspace.ts'
import { kubectl, render, type Rendered, withKustomization } from '../kustomize.ts'

type Container = {
  readonly image: string
  readonly resources: { readonly requests?: object; readonly limits?: object }
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
}
type PodTemplate = {
  readonly metadata: object
  readonly spec: { readonly containers: readonly Container[]; readonly volumes?: readonly object[] }
}
type Rules = readonly object[]

const folder = (path: string): string => join(root, 'deploy', path)
const overlays = readdirSync(folder('overlays')).toSorted()
const components = readdirSync(folder('components')).toSorted()
const ours = 'ghcr.io/slotkeeper/slotkeeper'
/** What each controller may do in namespaces that it watches, everywhere, and in its own namespace. */
const CONTROLLERS = [
  ['cluster', { watched: CLUSTER_CONTROLLER_RULES, everywhere: NODES_RULES, own: OWN_NAMESPACE_RULES }],
  ['restore', { watched: RESTORE_CONTROLLER_RULES, everywhere: [], own: [...OWN_NAMESPACE_RULES, ...OWN_POD_RULES] }],
  ['backup', { watched: BACKUP_CONTROLLER_RULES, everywhere: [], own: [...OWN_NAMESPACE_RULES, ...OWN_POD_RULES] }],
] as const
let server: KubeApiServer

const onServer = (args: readonly string[], input?: object): Promise<string> =>
  kubectl(args, server.kubeconfig, input === undefined ? undefined : JSON.stringify(input))
const dryRun = (input: object): Promise<string> =>
  onServer(['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', '-'], input)
const list = (items: readonly object[]) => ({ apiVersion: 'v1', kind: 'List', items })
const of = (objects: readonly Rendered[], ...kinds: readonly string[]) =>
  objects.filter(({ kind }) => kinds.includes(kind))
const specOf = <T>(object: Rendered | undefined): T => object?.['spec'] as T
const containers = (objects: readonly Rendered[]) =>
  of(objects, 'Deployment', 'StatefulSet').flatMap(
    (one) => specOf<{ template: PodTemplate }>(one).template.spec.containers,
  )

/** Pods as their controllers would make them, in the namespace of the operator. */
const podsOf = (objects: readonly Rendered[], change: object = {}) =>
  list(
    of(objects, 'Deployment', 'StatefulSet').map((one) => {
      const { template, volumeClaimTemplates = [] } = specOf<{
        template: PodTemplate
        volumeClaimTemplates?: readonly { metadata: { name: string } }[]
      }>(one)
      const claimed = volumeClaimTemplates.map(({ metadata: { name } }) => ({
        name,
        persistentVolumeClaim: { claimName: name },
      }))
      const volumes = [...(template.spec.volumes ?? []), ...claimed]
      return {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...template.metadata, name: one.metadata.name, namespace: 'slotkeeper-system' },
        spec: { ...template.spec, volumes, ...change },
      }
    }),
  )

/** The same rights in the same words, whatever their order. */
const byNamespace = (rights: Readonly<Record<string, Rules>>) =>
  Object.fromEntries(
    Object.entries(rights).map(([name, rules]) => [
      name,
      [...new Set(rules.map((one) => JSON.stringify(one)))].toSorted(),
    ]),
  )

/** Every path at which two values differ. */
function differences(one: unknown, other: unknown, path = ''): readonly string[] {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null)
    return one === other ? [] : [path]
  const [a, b] = [one as Record<string, unknown>, other as Record<string, unknown>]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
    differences(a[key], b[key], path === '' ? key : `${path}.${key}`),
  )
}
const named = (objects: readonly Rendered[]) =>
  Object.fromEntries(
    objects.map((one) => [`${one.kind}/${one.metadata.namespace ?? ''}/${one.metadata.name}`, one] as const),
  )

/** What the service account may do in each namespace, besides asking what it may. */
async function rightsIn(controller: string, namespaces: readonly string[]): Promise<Readonly<Record<string, Rules>>> {
  const account = `system:serviceaccount:slotkeeper-system:slotkeeper-${controller}-controller`
  const kind = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview' }
  const reviews = list(namespaces.map((namespace) => ({ ...kind, spec: { namespace } })))
  // It may not read the CRDs, which kubectl would validate by.
  const answer = await onServer(['create', '--as', account, '--validate=false', '-f', '-', '-o', 'yaml'], reviews)
  type Review = { status: { resourceRules: { apiGroups: string[]; resources: string[]; verbs: string[] }[] } }
  const found = parseAllDocuments(answer).map((one) =>
    (one.toJS() as Review).status.resourceRules
      .filter(({ apiGroups }) => !/^auth(orization|entication)\./.test(apiGroups[0] ?? ''))
      .map(({ apiGroups, resources, verbs }) => ({ apiGroups, resources, verbs })),
  )
  return Object.fromEntries(namespaces.map((namespace, index) => [namespace, found[index] ?? []]))
}

beforeAll(async () => {
  server = await startKubeApiServer()
  await onServer(['apply', '-k', folder('crds')])
  await onServer(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s'])
  for (const name of ['shop', 'elsewhere']) await onServer(['create', 'namespace', name])
  await onServer(['apply', '-f', '-'], list(of(await render(folder('base')), 'Namespace')))
})

afterAll(() => server?.stop())

describe('what is deployed', () => {
  test.each([
    ...overlays.map((name) => [`overlay ${name}`, { resources: [folder(`overlays/${name}`)] }] as const),
    ['base', { resources: [folder('base')] }] as const,
    ...components.map((name) => {
      // A component that changes the parts of another follows it.
      const before = name === 'local' ? [folder('components/nats')] : []
      return [
        `component ${name}`,
        {
          namespace: 'slotkeeper-system',
          resources: [folder('base')],
          components: [...before, folder(`components/${name}`)],
        },
      ] as const
    }),
  ])('%s: an API server takes every object and every field', async (_what, content) => {
    const objects = await withKustomization(content, render)
    const answer = await dryRun(list(objects))
    expect(answer.trim().split('\n')).toHaveLength(objects.length)
    expect(objects.length).toBeGreaterThan(4)
  })

  test.each(['base', 'overlays/default'])(
    '%s in another namespace: whatever is granted is granted to an account that is there',
    async (path) => {
      const objects = await withKustomization({ namespace: 'elsewhere', resources: [folder(path)] }, render)
      const account = ({ name, namespace }: { name: string; namespace?: string }): string => `${namespace}/${name}`
      const accounts = of(objects, 'ServiceAccount').map(({ metadata }) => account(metadata))
      const bindings = of(objects, 'RoleBinding', 'ClusterRoleBinding')
      const subjects = bindings.flatMap((one) => one['subjects'] as { name: string; namespace: string }[])
      expect(accounts).toHaveLength(CONTROLLERS.length)
      expect(new Set(subjects.map(account))).toEqual(new Set(accounts))
      expect(new Set(subjects.map(({ namespace }) => namespace))).toEqual(new Set(['elsewhere']))
    },
  )

  test('a field that does not exist would be refused', async () => {
    const [deployment] = of(await render(folder('base')), 'Deployment')
    await expect(dryRun({ ...deployment, spec: { ...specOf<object>(deployment), replica: 1 } })).rejects.toThrow(
      /replica/,
    )
  })
})

describe.each(overlays)('overlay %s', (name) => {
  let objects: readonly Rendered[]
  beforeAll(async () => {
    objects = await render(folder(`overlays/${name}`))
  })

  test('holds no CRD, so that deleting it deletes no data', () => {
    expect(of(objects, 'CustomResourceDefinition')).toEqual([])
    expect(of(objects, 'Namespace').map(({ metadata }) => metadata.name)).toEqual(['slotkeeper-system'])
  })

  test('labels every object, and no selector, template or claim, which cannot change', () => {
    const label = 'app.kubernetes.io/part-of'
    for (const { kind, metadata } of objects) expect(metadata.labels?.[label], kind).toBe('slotkeeper')
    for (const { kind, ...rest } of objects.map((one) => ({ kind: one.kind, spec: one['spec'] })))
      expect(JSON.stringify(rest), kind).not.toContain(label)
  })

  test('gives every controller the same memory, and no limit of CPU', () => {
    const controllers = containers(objects).filter(({ image }) => image.startsWith(ours))
    expect(controllers).toHaveLength(CONTROLLERS.length)
    for (const { resources } of controllers)
      expect(resources).toEqual({ requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '384Mi' } })
    for (const { resources } of containers(objects)) expect(resources.limits).not.toHaveProperty('cpu')
  })

  test('has pods that a namespace with restricted pod security accepts, and asks for it itself', async () => {
    const [namespace] = of(objects, 'Namespace')
    expect(namespace?.metadata.labels?.['pod-security.kubernetes.io/enforce']).toBe('restricted')
    expect((await dryRun(podsOf(objects))).match(/^pod\/\S+ serverside-applied/gm)).toHaveLength(CONTROLLERS.length + 1)
    await expect(dryRun(podsOf(objects, { hostNetwork: true }))).rejects.toThrow(/violates PodSecurity "restricted/)
  })

  test('names one image of ours, which `images:` swaps everywhere', async () => {
    const swap = { images: [{ name: ours, newName: 'registry.example/other', newTag: '7' }] }
    const swapped = await withKustomization({ resources: [folder(`overlays/${name}`)], ...swap }, render)
    const images = containers(objects).map(({ image }) => image)
    expect(new Set(images.filter((image) => image.startsWith(ours))).size).toBe(1)
    expect(JSON.stringify(objects)).toContain(ours)
    expect(JSON.stringify(swapped)).not.toContain(ours)
    expect(containers(swapped).map(({ image }) => image)).toEqual(
      images.map((image) => (image.startsWith(ours) ? 'registry.example/other:7' : image)),
    )
  })

  test('lets only its own namespace and labelled ones reach NATS', () => {
    const [policy, ...others] = of(objects, 'NetworkPolicy')
    expect(others).toEqual([])
    expect(policy?.['spec']).toEqual({
      podSelector: { matchLabels: { 'app.kubernetes.io/component': 'nats', 'app.kubernetes.io/name': 'slotkeeper' } },
      policyTypes: ['Ingress'],
      ingress: [
        {
          from: [
            { podSelector: {} },
            { namespaceSelector: { matchExpressions: [{ key: 'slotkeeper.dev/subscriber', operator: 'Exists' }] } },
          ],
          ports: [{ port: 4222 }],
        },
      ],
    })
    const [nats] = of(objects, 'StatefulSet')
    const { template } = specOf<{ template: { metadata: { labels: object } } }>(nats)
    expect(template.metadata.labels).toMatchObject(
      specOf<{ podSelector: { matchLabels: object } }>(policy).podSelector.matchLabels,
    )
  })

  test.each(CONTROLLERS)('grants what the %s controller declares, and nothing else', async (controller, rules) => {
    const rbac = of(objects, 'ServiceAccount', 'Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding')
    await onServer(['apply', '-f', '-'], list(rbac))
    const everywhere = name === 'namespaced' ? [] : [...rules.watched, ...rules.everywhere]
    const wanted = {
      elsewhere: everywhere,
      shop: name === 'namespaced' ? rules.watched : everywhere,
      'slotkeeper-system': [...everywhere, ...rules.own],
    }
    // The API server learns of new roles by a watch of its own.
    const found = async () => byNamespace(await rightsIn(controller, Object.keys(wanted)))
    await expect.poll(found, { timeout: 20_000 }).toEqual(byNamespace(wanted))
    await onServer(['delete', '-f', '-'], list(rbac))
  })
})

describe('the overlays among themselves', () => {
  test('local is default with the images and sizes of one machine', async () => {
    const [standard, local] = await Promise.all(['default', 'local'].map((name) => render(folder(`overlays/${name}`))))
    expect(differences(named(standard ?? []), named(local ?? []))).toEqual([
      'Deployment/slotkeeper-system/slotkeeper-backup-controller.spec.template.spec.containers.0.image',
      'Deployment/slotkeeper-system/slotkeeper-cluster-controller.spec.template.spec.containers.0.image',
      'Deployment/slotkeeper-system/slotkeeper-restore-controller.spec.template.spec.containers.0.image',
      'StatefulSet/slotkeeper-system/slotkeeper-nats.spec.volumeClaimTemplates.0.spec.resources.requests.storage',
    ])
  })

  test('namespaced is default with the cluster-wide roles exchanged for one in each namespace that is watched', async () => {
    const [standard, namespaced] = await Promise.all(
      ['default', 'namespaced'].map((name) => render(folder(`overlays/${name}`))),
    )
    const found = differences(named(standard ?? []), named(namespaced ?? []))
    expect(found.map((path) => path.replace(/env\.\d+$/, 'env')).toSorted()).toEqual([
      'ClusterRole//slotkeeper-backup-controller',
      'ClusterRole//slotkeeper-cluster-controller',
      'ClusterRole//slotkeeper-cluster-controller-nodes',
      'ClusterRole//slotkeeper-restore-controller',
      'ClusterRoleBinding//slotkeeper-backup-controller',
      'ClusterRoleBinding//slotkeeper-cluster-controller',
      'ClusterRoleBinding//slotkeeper-cluster-controller-nodes',
      'ClusterRoleBinding//slotkeeper-restore-controller',
      'Deployment/slotkeeper-system/slotkeeper-backup-controller.spec.template.spec.containers.0.env',
      'Deployment/slotkeeper-system/slotkeeper-cluster-controller.spec.template.spec.containers.0.env',
      'Deployment/slotkeeper-system/slotkeeper-restore-controller.spec.template.spec.containers.0.env',
      'Role/shop/slotkeeper-backup-controller-watched',
      'Role/shop/slotkeeper-cluster-controller-watched',
      'Role/shop/slotkeeper-restore-controller-watched',
      'RoleBinding/shop/slotkeeper-backup-controller-watched',
      'RoleBinding/shop/slotkeeper-cluster-controller-watched',
      'RoleBinding/shop/slotkeeper-restore-controller-watched',
    ])
    const watched = containers(namespaced ?? []).flatMap(({ env: variables = [] }) =>
      variables
        .filter((one) => one.name === 'SLOTKEEPER_WATCH_NAMESPACES')
        .flatMap(({ value = '' }) => value.split(',')),
    )
    const granted = of(namespaced ?? [], 'RoleBinding').map(({ metadata }) => metadata.namespace)
    const own = CONTROLLERS.map(() => 'slotkeeper-system')
    expect([...watched, ...own].toSorted()).toEqual(granted.toSorted())
  })
})

describe('permissions', () => {
  const rules = CONTROLLERS.flatMap(([, { watched, everywhere, own }]) => [...watched, ...everywhere, ...own])

  test('Secrets are read by name, never listed; nobody runs commands in pods; nothing is granted by a wildcard', () => {
    const verbs = rules.filter(({ resources }) => resources.includes('secrets')).flatMap((rule) => rule.verbs)
    expect(verbs.toSorted()).toEqual(['create', 'get'])
    expect(rules.flatMap((rule) => [...rule.apiGroups, ...rule.resources, ...rule.verbs])).not.toContain('*')
    expect(rules.flatMap(({ resources }) => resources).filter((one) => one.startsWith('pods/'))).toEqual([])
    expect(rules.map(({ apiGroups }) => apiGroups[0])).not.toContain('rbac.authorization.k8s.io')
  })
})

test('no kustomization holds a secret', () => {
  const files = readSources(['kustomization.yaml']).filter(({ path }) => path.startsWith('deploy/'))
  expect(files.length).toBeGreaterThan(8)
  for (const { path, text } of files) {
    const { secretGenerator = [] } = parse(text) as { readonly secretGenerator?: readonly object[] }
    for (const one of secretGenerator) expect(one, path).not.toHaveProperty('literals')
  }
  expect(readFileSync(folder('base/kustomization.yaml'), 'utf8')).toContain('includeSelectors: false')
})
