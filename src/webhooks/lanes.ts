/** Shares the sender among receivers: so many deliveries at once to one receiver, and so many for one owner; the others go on meanwhile. */

export interface LaneLimits {
  perReceiver: number
  perOwner: number
  /** longest delivery, which is what a lane expects before it has seen one end */
  longestMs: number
}

export interface Lanes {
  /** Takes a place: call the result when done. A number: there is none, come back in so many milliseconds. */
  enter(delivery: { id: string; owner: string; url: string }): (() => void) | number
}

interface Lane {
  limit: number
  taken: number
  /** ids of those that were sent away */
  waiting: Set<string>
  /** how long a delivery takes here, lately */
  meanMs: number
}

const LEAST_WAIT_MS = 500
/** What waits for a receiver that hangs must not keep the queue busy. */
const MOST_WAIT_MS = 600_000
/** weight of the latest delivery */
const NEWS = 0.3

export function openLanes({ perReceiver, perOwner, longestMs }: LaneLimits): Lanes {
  const lanes = new Map<string, Lane>()
  const laneOf = (name: string, limit: number): Lane => {
    const lane = lanes.get(name) ?? { limit, taken: 0, waiting: new Set(), meanMs: longestMs }
    lanes.set(name, lane)
    return lane
  }
  const forget = (names: readonly string[]) => {
    for (const name of names) {
      const lane = lanes.get(name)
      if (lane?.taken === 0 && lane.waiting.size === 0) lanes.delete(name)
    }
  }
  return {
    enter({ id, owner, url }) {
      const names = [`receiver ${receiverOf(url)}`, `owner ${owner}`]
      const own = [laneOf(names[0]!, perReceiver), laneOf(names[1]!, perOwner)]
      const full = own.filter(({ taken, limit }) => taken >= limit)
      if (full.length > 0) return Math.max(...full.map((lane) => waitIn(lane, id)))
      for (const lane of own) occupy(lane, id)
      const since = Date.now()
      return () => {
        for (const lane of own) vacate(lane, Date.now() - since)
        forget(names)
      }
    },
  }
}

/** Paths and ports of one host are one receiver. */
const receiverOf = (url: string): string => (URL.canParse(url) ? new URL(url).hostname : url)

function occupy(lane: Lane, id: string): void {
  lane.taken++
  lane.waiting.delete(id)
}

function vacate(lane: Lane, tookMs: number): void {
  lane.taken--
  lane.meanMs += NEWS * (tookMs - lane.meanMs)
}

/** As long as those before it will take. */
function waitIn({ waiting, meanMs, limit }: Lane, id: string): number {
  waiting.add(id)
  return Math.min(Math.max((waiting.size * meanMs) / limit, LEAST_WAIT_MS), MOST_WAIT_MS)
}
