import type { Clock } from '@weft/core'
import type { ReplicaHost } from '@weft/replica'
import { WebSocket } from 'ws'
import { host } from './host.ts'

/** The real host of a replica, and the timers that keep its process alive: how long each was set for, in ms. */
export function countedHost(): ReplicaHost & { readonly timers: () => number[] } {
  const running = new Map<NodeJS.Timeout, number>()
  const idle = (ms: number, fn: () => void): (() => void) => {
    const timer = setTimeout(fn, ms).unref()
    return () => clearTimeout(timer)
  }
  const counted = (ms: number, fn: () => void): (() => void) => {
    const timer = setTimeout(() => {
      running.delete(timer)
      fn()
    }, ms)
    running.set(timer, ms)
    return () => {
      running.delete(timer)
      clearTimeout(timer)
    }
  }
  return {
    ...host,
    clock: clockOf(counted),
    idleClock: clockOf(idle),
    dice: Math.random,
    dial: url => new WebSocket(url) as unknown as ReturnType<ReplicaHost['dial']>,
    timers: () => [...running.values()],
  }
}

function clockOf(after: Clock['after']): Clock {
  return { now: Date.now, steady: () => Math.floor(performance.now()), after }
}
