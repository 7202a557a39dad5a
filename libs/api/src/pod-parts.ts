import { z } from 'zod'

/** An amount of memory, CPU or disk, as Kubernetes writes it. */
export const quantity = z
  .string()
  .max(32)
  .regex(/^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/)

const amounts = z.record(z.string().max(63), quantity)

/** What a container asks for, and may take. */
export const resources = z
  .object({
    requests: amounts.optional().describe('What is set aside for it, by name: cpu, memory.'),
    limits: amounts.optional().describe('The most that it may take, by name: cpu, memory.'),
  })
  .optional()

/** The Secrets that images are fetched with. */
export const imagePullSecrets = z
  .array(z.object({ name: z.string().max(253).describe('The name of the Secret.') }))
  .max(16)
  .optional()

/** Names with values, as labels are. */
export const stringMap = z.record(z.string().max(253), z.string().max(1024))
const passThrough = z.record(z.string(), z.unknown()).meta({ 'x-kubernetes-preserve-unknown-fields': true })
const passThroughList = z.array(passThrough).max(64)

/** What a user may say of the pods of the servers. */
export const podParts = z
  .object({
    labels: stringMap.optional().describe('Beside ours.'),
    annotations: stringMap.optional().describe('Beside ours.'),
    nodeSelector: stringMap.optional().describe('Labels of the nodes that they may run on.'),
    tolerations: passThroughList.optional().describe('As in a pod.'),
    affinity: passThrough
      .optional()
      .describe('As in a pod; a podAntiAffinity stands for ours, which spreads the members.'),
    topologySpreadConstraints: passThroughList.optional().describe('As in a pod, instead of those that spread makes.'),
    priorityClassName: z.string().max(253).optional().describe('As in a pod.'),
    serviceAccountName: z.string().max(253).optional().describe('As whom they run. Absent: default.'),
    securityContext: passThrough.optional().describe('Merged over ours; for sysctls and other ids.'),
    terminationGracePeriodSeconds: z
      .int()
      .min(10)
      .max(3600)
      .default(60)
      .describe('How long a server may take to hand its role over and end.'),
  })
  .describe("Parts of the pods. A change takes effect at each pod's next restart.")
