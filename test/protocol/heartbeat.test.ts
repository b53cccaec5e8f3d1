import { EventEmitter } from 'node:events'
import { Heartbeat } from '@weft/protocol'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

const PING_MS = 15_000
const GRACE_MS = 1_000

class Socket extends EventEmitter {
  pings = 0
  isCut = false

  ping(): void {
    this.pings++
  }

  terminate(): void {
    this.isCut = true
  }
}

const clock = {
  now: () => Date.now(),
  steady: () => performance.now(),
  after: (ms: number, act: () => void) => {
    const timer = setTimeout(act, ms)
    return () => clearTimeout(timer)
  },
}

let socket: Socket

beforeEach(() => {
  vi.useFakeTimers()
  socket = new Socket()
})

afterEach(() => {
  vi.useRealTimers()
})

test('who answers each ping is kept', () => {
  new Heartbeat(socket, { clock, ping_ms: PING_MS })
  for (let pings = 1; pings <= 10; pings++) {
    vi.advanceTimersByTime(PING_MS)
    expect(socket.pings).toBe(pings)
    socket.emit('pong')
  }
  expect(socket.isCut).toBe(false)
})

test('who answers none is cut off a little after the next is due, and is asked nothing more', () => {
  new Heartbeat(socket, { clock, ping_ms: PING_MS })
  vi.advanceTimersByTime(2 * PING_MS + GRACE_MS - 1)
  expect(socket.isCut).toBe(false)
  vi.advanceTimersByTime(1)
  expect(socket.isCut).toBe(true)
  vi.advanceTimersByTime(10 * PING_MS)
  expect(socket.pings).toBe(1)
})

test('an answer that is read right after the next ping was due is in time: whoever asked has stood still', () => {
  new Heartbeat(socket, { clock, ping_ms: PING_MS })
  vi.advanceTimersByTime(2 * PING_MS)
  socket.emit('pong')
  vi.advanceTimersByTime(GRACE_MS)
  expect(socket).toMatchObject({ isCut: false, pings: 2 })
})

test('nobody is cut off whose answers are left unread', () => {
  let isUnread = true
  new Heartbeat(socket, { clock, ping_ms: PING_MS, isUnread: () => isUnread })
  vi.advanceTimersByTime(20 * PING_MS)
  expect(socket.isCut).toBe(false)
  isUnread = false
  vi.advanceTimersByTime(PING_MS + 2 * GRACE_MS)
  expect(socket.isCut).toBe(true)
})

test('one that is stopped asks nothing more', () => {
  const heartbeat = new Heartbeat(socket, { clock, ping_ms: PING_MS })
  vi.advanceTimersByTime(2 * PING_MS)
  heartbeat.stop()
  vi.advanceTimersByTime(10 * PING_MS)
  expect(socket).toMatchObject({ isCut: false, pings: 1 })
})
