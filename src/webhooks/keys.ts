/** Where webhook endpoints and what was sent to them lie in Redis. */
import type { Deps } from '../deps.ts'

type Prefixed = Pick<Deps, 'config'>

export const endpointKey = ({ config }: Prefixed, id: string): string => `${config.REDIS_PREFIX}:webhook-endpoint:${id}`

/** Sorted set of an owner's ids, which sort by time; it exists while the owner has an endpoint. */
export const endpointsKey = ({ config }: Prefixed, owner: string): string =>
  `${config.REDIS_PREFIX}:webhook-endpoints:${owner}`

/** When an endpoint took a delivery last. */
export const successKey = (deps: Prefixed, id: string): string => `${endpointKey(deps, id)}:success`

/** Sorted set of the deliveries to an endpoint. */
export const deliveriesKey = (deps: Prefixed, id: string): string => `${endpointKey(deps, id)}:deliveries`

export const deliveryKey = ({ config }: Prefixed, id: string): string => `${config.REDIS_PREFIX}:webhook-delivery:${id}`

/** The body of an event, the same for every endpoint. */
export const bodyKey = ({ config }: Prefixed, eventId: string): string =>
  `${config.REDIS_PREFIX}:webhook-body:${eventId}`
