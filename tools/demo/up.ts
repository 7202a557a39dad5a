import { startPlatform } from '../local/src/index.ts'
import { step } from '../local/src/step-log.ts'
import { install } from './tour.ts'

/** Starts a platform that stays, installs Slotkeeper in it, and says what to try next. */
const name = process.argv[2] ?? 'default'
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error('interrupted')))
const log = (line: string): void => void process.stderr.write(`${line}\n`)
try {
  const platform = await startPlatform({ name, signal: stop.signal, log, detached: true })
  await step(log, 'Slotkeeper', () => install(platform))
  const which = name === 'default' ? '' : ` NAME=${name}`
  process.stdout.write(`
A Kubernetes of three nodes runs, with Slotkeeper in it. Try:

  export KUBECONFIG=${platform.kubeconfig}
  alias kubectl=${platform.kubectlPath}
  kubectl apply -f examples/clusters/orders.yaml
  kubectl get rdc,pods -o wide
  make events${which}    # what happens, as it happens
  make down${which}      # ends it

`)
  process.exit(0)
} catch (error) {
  log(error instanceof Error ? error.message : String(error))
  process.exit(1)
}
