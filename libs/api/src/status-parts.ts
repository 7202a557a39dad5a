import { z } from 'zod'

const condition = z.object({
  type: z.string().max(64),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string().max(64),
  message: z.string().max(1024),
  observedGeneration: z.int().optional(),
  lastTransitionTime: z.string().max(40),
})

const lifecycle = z
  .object({ life: z.int(), seq: z.int(), published: z.int(), epoch: z.int(), holder: z.string().max(253) })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: 'self.life > oldSelf.life || (self.life == oldSelf.life && self.seq >= oldSelf.seq && (self.epoch > oldSelf.epoch || (self.epoch == oldSelf.epoch && self.holder == oldSelf.holder)))',
        message: 'status.lifecycle only goes forward: a write of a controller that lost its lease was refused',
      },
    ],
  })

const passThrough = z.record(z.string(), z.unknown()).meta({ 'x-kubernetes-preserve-unknown-fields': true })

/** What every status holds for the runtime: who claimed it, how far its history is told, and what waits to be told. */
export const runtimeParts = { lifecycle: lifecycle.optional(), outbox: z.array(passThrough).max(2048).optional() }

/** The conditions of a status, merged by their types. */
export const conditionsPart = z
  .array(condition)
  .max(16)
  .optional()
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
