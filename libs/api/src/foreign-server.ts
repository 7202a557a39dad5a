import { z } from 'zod'

const secretName = z.string().min(1).max(253).describe('A Secret of this namespace.')
const secretKey = z
  .string()
  .max(253)
  .regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/)

/** `host:port`; of IPv6 `[address]:port`. */
const ADDRESS =
  /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?):([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])$/

/** A server that Slotkeeper does not look after. */
export const foreignServerFields = {
  address: z
    .string()
    .max(270)
    .regex(ADDRESS)
    .describe(
      'host:port of a server of Redis or Valkey: any one of a cluster, which names the others, or one without cluster mode, primary or replica.',
    ),
  username: z.string().min(1).max(253).default('default').describe('As whom it is entered.'),
  password: z
    .object({ secretName, key: secretKey.default('password').describe('The key that holds it.') })
    .optional()
    .describe('Mounted into the agents, and read by nobody else. Absent: none is asked for.'),
  tls: z
    .object({
      ca: z
        .object({ secretName, key: secretKey.default('ca.crt').describe('The key that holds the certificates.') })
        .optional()
        .describe('What its certificate is signed by. Absent: the authorities that everybody trusts.'),
      certificate: z
        .object({ secretName })
        .optional()
        .describe('What it is shown, where it wants to know who connects: tls.crt and tls.key of the Secret.'),
      serverName: z
        .string()
        .min(1)
        .max(253)
        .optional()
        .describe('The name that its certificate bears. Absent: the host that is dialled.'),
    })
    .optional()
    .describe('Absent: without TLS.'),
}

/** What holds of `foreignServerFields` together; `path` is where they stand. */
export const foreignServerRules = (path: string) => [
  {
    rule: "!has(self.username) || self.username == 'default' || has(self.password)",
    message: `${path}.password: a user is entered by a password`,
  },
]

/** A server that Slotkeeper does not look after, and as whom it is entered. */
export const foreignServer = z
  .object(foreignServerFields)
  .meta({ 'x-kubernetes-validations': foreignServerRules('server') })

/** A server that Slotkeeper does not look after. */
export type ForeignServer = z.infer<typeof foreignServer>
