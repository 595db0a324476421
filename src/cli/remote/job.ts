/** What the command reads of a job; a newer service may say more. */
import { z } from 'zod'

const Artifact = z.looseObject({
  id: z.string(),
  name: z
    .string()
    .regex(/^[\w.-]{1,200}$/)
    .refine((name) => !/^\.+$/.test(name)),
  size_bytes: z.number(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
export type Artifact = z.infer<typeof Artifact>

export const RemoteJob = z.looseObject({
  id: z.string(),
  status: z.string(),
  warnings: z.array(z.looseObject({ code: z.string(), detail: z.string() })),
  artifacts: z.array(Artifact),
  error: z
    .looseObject({ code: z.string(), detail: z.string(), hint: z.string().nullish(), stage: z.string().nullish() })
    .nullish(),
})
export type RemoteJob = z.infer<typeof RemoteJob>

export const Created = z.looseObject({ id: z.string() })

export const jobPath = (id: string): string => `/v1/jobs/${encodeURIComponent(id)}`

const ENDED = ['succeeded', 'failed', 'canceled', 'expired']
export const hasEnded = ({ status }: Pick<RemoteJob, 'status'>): boolean => ENDED.includes(status)
