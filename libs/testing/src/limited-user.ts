import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { KubeApiServer } from './kube-apiserver.ts'
import { requireTool } from './toolchain.ts'

const run = promisify(execFile)

/** Runs kubectl as the administrator of an API server; gives what it prints. */
export async function kubectl(api: Pick<KubeApiServer, 'kubeconfig'>, ...args: readonly string[]): Promise<string> {
  const env = { ...process.env, KUBECONFIG: api.kubeconfig }
  const { stdout } = await run(await requireTool('kube'), ['kubectl', ...args], { env, timeout: 60_000 })
  return stdout
}

/** Runs lines of a shell in which `kubectl` is that of the administrator, in a folder; gives what they print. */
export async function kubectlShell(
  api: Pick<KubeApiServer, 'kubeconfig'>,
  lines: string,
  cwd: string,
): Promise<string> {
  const tools = dirname(api.kubeconfig)
  const script = `#!/bin/sh\nexec '${await requireTool('kube')}' kubectl "$@"\n`
  await writeFile(join(tools, 'kubectl'), script, { mode: 0o755 })
  const env = { ...process.env, KUBECONFIG: api.kubeconfig, PATH: `${tools}:${process.env['PATH']}` }
  const { stdout } = await run('sh', ['-ec', lines], { env, cwd, timeout: 120_000 })
  return stdout
}

/**
 * Makes a user that may use some resources in some namespaces, which are made too, and nothing else.
 *
 * @param rights resources (`pods`, `redisclusters.slotkeeper.dev`) and verbs, the same in each namespace
 * @returns path of its kubeconfig
 */
export async function makeLimitedUser(
  api: KubeApiServer,
  name: string,
  namespaces: readonly string[],
  rights: { readonly resources: readonly string[]; readonly verbs: readonly string[] },
): Promise<string> {
  await kubectl(api, 'create', 'serviceaccount', name, '-n', 'default')
  for (const namespace of namespaces) await grant(api, name, namespace, rights)
  const token = (await kubectl(api, 'create', 'token', name, '-n', 'default')).trim()
  const kubeconfig = `${api.kubeconfig}-${name}`
  const user = ['config', 'set-credentials', name, `--token=${token}`, `--kubeconfig=${kubeconfig}`]
  await writeFile(kubeconfig, await kubectl(api, 'config', 'view', '--raw'), { mode: 0o600 })
  await kubectl(api, ...user)
  await kubectl(api, 'config', 'set-context', '--current', `--user=${name}`, `--kubeconfig=${kubeconfig}`)
  return kubeconfig
}

/** Lets a user of `makeLimitedUser` use resources in one more namespace, which is made if it is not there. */
export async function grant(
  api: KubeApiServer,
  name: string,
  namespace: string,
  { resources, verbs }: { readonly resources: readonly string[]; readonly verbs: readonly string[] },
): Promise<void> {
  await kubectl(api, 'create', 'namespace', namespace).catch(() => undefined)
  const rule = [`--verb=${verbs.join()}`, `--resource=${resources.join()}`]
  await kubectl(api, 'create', 'role', name, '-n', namespace, ...rule)
  await kubectl(
    api,
    'create',
    'rolebinding',
    name,
    '-n',
    namespace,
    `--role=${name}`,
    `--serviceaccount=default:${name}`,
  )
}
