import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { parseAllDocuments, stringify } from 'yaml'
import { requireTool } from '@slotkeeper/testing'
import { runCommand } from './local/src/run-command.ts'

/** An object of Kubernetes as a kustomization renders it. */
export type Rendered = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly [other: string]: unknown
}

/** Runs the toolchain's kubectl; throws with what it said when it does not end with 0. */
export async function kubectl(args: readonly string[], kubeconfig?: string, input?: string): Promise<string> {
  const program = await requireTool('kube')
  const env =
    kubeconfig === undefined ? {} : { KUBECONFIG: kubeconfig, KUBECACHEDIR: join(dirname(kubeconfig), 'cache') }
  return runCommand(program, ['kubectl', ...args], { env, ...(input === undefined ? {} : { input }) })
}

/** What `kubectl kustomize` makes of a folder. */
export async function render(folder: string): Promise<readonly Rendered[]> {
  return parseAllDocuments(await kubectl(['kustomize', folder])).map((one) => one.toJS() as Rendered)
}

/** Hands over the folder of a kustomization that exists for the call alone; its paths are those of folders. */
export async function withKustomization<T>(
  content: {
    readonly resources: readonly string[]
    readonly components?: readonly string[]
    readonly [other: string]: unknown
  },
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-kustomize-'))
  const fromThere = (path: string): string => relative(folder, path)
  try {
    const { resources, components = [], ...more } = content
    const text = { ...more, resources: resources.map(fromThere), components: components.map(fromThere) }
    await writeFile(join(folder, 'kustomization.yaml'), stringify(text))
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
