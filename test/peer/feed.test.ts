import { connect as connectTcp } from 'node:net'
import { LIMITS } from '@weft/core'
import { DEFAULT_LIMITS, type FeedHost, Feeds, signToken, type TokenGrant } from '@weft/peer'
import { describe, expect, onTestFinished, test } from 'vitest'
import { sha256 } from '../support/core-property.ts'
import { MemoryDisk, MemoryStore } from '../support/memory-store.ts'
import { PeerHarness, SECRET } from '../support/peer-harness.ts'
import { overriding } from '../support/peer-store.ts'
import { gateOf, until } from '../support/peer-until.ts'
import { Research } from '../support/replica-contexts.ts'
import { SetClock } from '../support/set-clock.ts'
import { SseReader } from '../support/sse-reader.ts'
import { Author } from '../support/wire-author.ts'

async function scene(options: Parameters<typeof PeerHarness.start>[0] = {}) {
  const harness = await PeerHarness.start(options)
  const replica = await harness.replica()
  const context = await replica.open(Research, { workflow: 'w', agent: 'planner' })
  const base = (): string => `http://127.0.0.1:${harness.peer.port}`
  const feed = async (query = '', headers: Record<string, string> = {}) =>
    SseReader.open(`${base()}/feed/w${query}`, {
      headers: { authorization: `Bearer ${await harness.token()}`, ...headers },
    })
  const say = async (...texts: string[]): Promise<void> => {
    for (const text of texts) await context.append('message', { text }).committed
  }
  return { harness, context, feed, say, base }
}

const textOf = ({ data }: { data: Record<string, unknown> }): unknown =>
  (data as { data: { entries: { value: { text: string } }[] } }).data.entries[0]?.value.text

describe('[WAK-1] a feed', () => {
  test('tells what happened as CloudEvents, from a position on, and goes on as it happens', async () => {
    const { context, feed, say } = await scene()
    await say('one')
    const reader = await feed('?from=2')
    expect(reader.response.headers.get('content-type')).toBe('text/event-stream')
    const [first] = await reader.take(1)
    const [change] = context.changes().slice(-1)
    expect(first).toEqual({
      event: 'message',
      id: '2',
      data: {
        specversion: '1.0',
        id: change!.id,
        source: 'urn:weft:acme:w',
        type: 'weft.change.committed.v1',
        subject: 'main',
        time: new Date(change!.header.time).toISOString(),
        datacontenttype: 'application/json',
        sequence: '0000000000000002',
        data: {
          position: 2,
          change: change!.id,
          branch: 'main',
          agent: 'planner',
          time: change!.header.time,
          kinds: ['message'],
          entries: [{ id: `${change!.id}.0`, kind: 'message', value: { text: 'one' } }],
          pointers: [],
          writes: [],
          forks: [],
          merges: [],
          abandons: [],
          erases: [],
        },
      },
    })
    await say('two')
    await context.change(state => void state.plan.push('more'), { reason: 'because' }).committed
    const [second, third] = await reader.take(2)
    expect(textOf(second!)).toBe('two')
    expect(third!.data).toMatchObject({ data: { pointers: ['/plan/-'], reason: 'because', entries: [] } })
  })

  test('is resumed behind the last event that was seen, over a restart of the peer', async () => {
    const { harness, feed, say } = await scene()
    await say('one', 'two', 'three')
    const reader = await feed()
    const [, , second] = await reader.take(3)
    await reader.close()
    await harness.restart()
    const next = await feed('?from=1', { 'last-event-id': second!.id })
    expect((await next.take(1)).map(textOf)).toEqual(['three'])
  })

  test('tells what its filter lets through, and where it is when that is nothing', async () => {
    const { context, feed, say } = await scene()
    await say('one')
    const fork = context.fork('aside')
    await fork.append('decision', { choice: 'a' }).committed
    await say('two')
    const [decision] = await (await feed('?kind=decision&kind=other')).take(1)
    expect(decision!.data).toMatchObject({ subject: 'aside' })
    const [onFork] = await (await feed('?branch=aside')).take(1)
    expect(onFork!.id).toBe(decision!.id)
    const reader = await feed('?ref=state:/constraints')
    await context.change(state => {
      state.constraints.a = 1
    }).committed
    const [initial, change] = await reader.take(2)
    expect(initial!.data).toMatchObject({ data: { pointers: ['/constraints', '/plan'] } })
    expect(change!.data).toMatchObject({ data: { pointers: ['/constraints/a'] } })
    expect(reader.lastId).toBe(`${context.position}`)
  })

  test('does not tell who claims what: a feed that is followed by a pool is not the pool', async () => {
    const { context, feed, say } = await scene()
    const reader = await feed('?kind=message&kind=decision')
    const all = await feed()
    await say('one')
    await (await (await context.subscribe('pool')).claim()).ack()
    await say('two')
    expect((await reader.take(2)).map(textOf)).toEqual(['one', 'two'])
    const [, one, two] = await all.take(3)
    expect([one, two].map(each => textOf(each!))).toEqual(['one', 'two'])
  })

  test('shows that it lives while nothing happens', async () => {
    const { feed, say } = await scene({ limits: { ping_ms: 20 } })
    await say('one')
    const reader = await feed('?from=3')
    const waiting = reader.next()
    await until(() => reader.blocks > 3, 'it has been told several times')
    expect(reader.lastId).toBe('2')
    await say('two')
    expect(textOf((await waiting)!)).toBe('two')
  })

  test('that is read slowly is a cursor: what it has not asked for is in nobody’s memory', async () => {
    const { harness, base } = await scene()
    const writer = await harness.following({}, 'long')
    const author = new Author(1)
    const large = LIMITS.change_bytes_max - 10_000
    const count = 40
    for (const change of author.appends(count, large)) {
      writer.push(change)
      const log = await writer.next('log')
      writer.send({ name: 'seen', channel: 1, position: log.from })
    }
    const before = harness.gate.reads
    const url = `${base()}/feed/long?access_token=${await harness.token()}`
    const slow = await SseReader.open(url)
    await slow.take(1)
    const quick = await SseReader.open(url)
    await quick.take(count)
    const bySlow = harness.gate.reads - before - count
    expect(bySlow, 'what the sockets hold, and no more').toBeLessThan(count / 2)
    expect((await slow.take(count - 1)).at(-1)!.id).toBe(`${count}`)
  })

  test('that is let go of while it is not read follows its log no longer', async () => {
    const followers = new Set<unknown>()
    const { id, bytes } = new Author(1).append()
    const log = {
      count: 1,
      read: async () => [{ position: 1, id, bytes }],
      subscribe: (one: unknown) => followers.add(one),
      unsubscribe: (one: unknown) => followers.delete(one),
    }
    const host = {
      contexts: () => ({ acquire: async () => log, release: () => {} }),
      grants: { hold: () => () => {} },
      ...{ limits: DEFAULT_LIMITS, clock: new SetClock(), hash: sha256 },
    } as unknown as FeedHost
    const grant = { tenant: 'acme', scopes: ['read'], workflows: '*' } as unknown as TokenGrant
    const request = { grant, workflow: 'w', from: 1, filter: {}, cut: () => {} }
    const reader = (await new Feeds(host).open(request)).getReader()
    for (let read = 0; read < 2; read++) await reader.read()
    expect(followers.size).toBe(1)
    await reader.cancel()
    expect(followers.size).toBe(0)
  })

  test.each([
    ['alone on its connection', 0],
    ['behind another one', 1],
  ])('that is not read at all is cut off when its token expires, %s', async (_, ahead) => {
    const { harness } = await scene()
    const writer = await harness.following({}, 'long')
    for (const change of new Author(1).appends(30, LIMITS.change_bytes_max - 10_000)) {
      writer.push(change)
      const log = await writer.next('log')
      writer.send({ name: 'seen', channel: 1, position: log.from })
    }
    const socket = connectTcp(harness.peer.port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => {})
    const feedBy = (token: string) => `GET /feed/long?access_token=${token} HTTP/1.1\r\nHost: peer\r\n\r\n`
    const lasting = feedBy(await harness.token()).repeat(ahead)
    socket.write(lasting + feedBy(await harness.token({ lifetime: 2 })))
    await until(async () => (await harness.metric('weft_feeds_open')) === 1 + ahead, 'they are open')
    await until(async () => (await harness.metric('weft_feeds_open')) === 0, 'it is cut off')
  })

  test('ends with its connection, also one that waits behind others on it', async () => {
    const { harness, base, say } = await scene()
    await say('one')
    const socket = connectTcp(harness.peer.port, '127.0.0.1')
    const asked = `GET /feed/w?access_token=${await harness.token()} HTTP/1.1\r\nHost: peer\r\n\r\n`
    socket.write(asked.repeat(20))
    await until(async () => (await harness.metric('weft_feeds_open')) === 20, 'they are open')
    socket.resetAndDestroy()
    await until(async () => (await harness.metric('weft_feeds_open')) === 0, 'they are closed')
    const next = await SseReader.open(`${base()}/feed/w?access_token=${await harness.token()}`)
    expect((await next.take(2)).map(textOf)).toContain('one')
  })

  test('ends when its token expires, and says so', async () => {
    const { harness, base, say } = await scene()
    await say('one')
    const token = await signToken(SECRET, { tenant: 'acme', scopes: ['read'], lifetime: 2 })
    const reader = await SseReader.open(`${base()}/feed/w?access_token=${token}`)
    const events = await reader.take(3)
    expect(events.at(-1)).toMatchObject({
      event: 'fail',
      data: { code: 'WEFT_TOKEN_EXPIRED', status: 401 },
    })
    expect(await reader.next()).toBeUndefined()
    await until(async () => (await harness.metric('weft_feeds_open')) === 0, 'it is closed')
  })

  test('ends when the peer drains, and when the store has failed; nothing keeps a drain waiting', async () => {
    const { harness, feed, say } = await scene()
    await say('one')
    const reader = await feed()
    await reader.take(2)
    const stopping = harness.stop()
    expect(await reader.next()).toMatchObject({ event: 'fail', data: { code: 'WEFT_DRAINING' } })
    expect(await reader.next()).toBeUndefined()
    await stopping
  })

  test('that is only asked for its headers is not left open', async () => {
    const { harness, base, say } = await scene()
    await say('one')
    const response = await fetch(`${base()}/feed/w?access_token=${await harness.token()}`, { method: 'HEAD' })
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
    expect(await harness.metric('weft_feeds_open')).toBe(0)
  })

  test('that nobody reads any more lets its context go', async () => {
    const { harness, base, say } = await scene()
    await say('one')
    const url = `${base()}/feed/other?access_token=${await harness.token()}`
    const readers = await Promise.all(Array.from({ length: 5 }, () => SseReader.open(url)))
    await until(async () => (await harness.metric('weft_feeds_open')) === 5, 'they are open')
    await Promise.all(readers.map(each => each.close()))
    await until(async () => (await harness.metric('weft_feeds_open')) === 0, 'they are closed')
  })
})

describe('[WAK-1] a feed is refused', () => {
  test('when there are as many as may be: those that are being opened count, too', async () => {
    const { opened, open } = gateOf()
    onTestFinished(open)
    const store = new MemoryStore(new MemoryDisk())
    const slow = overriding(store, inner => ({
      head: async workflow => {
        if (workflow === 'w') await opened
        return inner.head(workflow)
      },
    }))
    const harness = await PeerHarness.start({ limits: { connections_max: 3 }, openStore: async () => slow })
    const url = `http://127.0.0.1:${harness.peer.port}/feed/w?access_token=${await harness.token()}`
    const statuses: number[] = []
    const asking = Array.from({ length: 20 }, async () => {
      const { response } = await SseReader.open(url)
      statuses.push(response.status)
    })
    await until(() => statuses.length === 17, 'all but three are answered')
    expect(new Set(statuses)).toEqual(new Set([503]))
    open()
    await Promise.all(asking)
    expect(statuses.slice(17)).toEqual([200, 200, 200])
  })

  test.each<[string, number, string, string, Record<string, string>]>([
    ['a position that was never reached', 416, 'WEFT_POSITION_UNKNOWN', '/feed/w?from=99', {}],
    ['position 0', 416, 'WEFT_POSITION_UNKNOWN', '/feed/w?from=0', {}],
    ['an id that was never told', 416, 'WEFT_POSITION_UNKNOWN', '/feed/w', { 'last-event-id': '50' }],
    ['a position that is none', 400, 'WEFT_USAGE', '/feed/w?from=-1', {}],
    ['half a position', 400, 'WEFT_USAGE', '/feed/w?from=1.5', {}],
    ['an id that is none', 400, 'WEFT_USAGE', '/feed/w', { 'last-event-id': 'x' }],
    ['a filter that is none', 400, 'WEFT_FILTER_INVALID', '/feed/w?ref=nowhere', {}],
    ['a kind that is no id', 400, 'WEFT_FILTER_INVALID', '/feed/w?kind=', {}],
    ['a name that is no id', 400, 'WEFT_ID_INVALID', '/feed/a%20b', {}],
    ['a name with another tenant in it', 400, 'WEFT_ID_INVALID', '/feed/rival:w', {}],
    ['no token', 401, 'WEFT_TOKEN_MISSING', '/feed/w', { authorization: '' }],
    ['a token that is none', 401, 'WEFT_TOKEN_INVALID', '/feed/w', { authorization: 'Bearer x.y.z' }],
  ])('for %s, with %i', async (_, status, code, path, headers) => {
    const { harness, base, say } = await scene()
    await say('one')
    const authorization = `Bearer ${await harness.token()}`
    const response = await fetch(`${base()}${path}`, { headers: { authorization, ...headers } })
    expect(response.status).toBe(status)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await response.json()).toMatchObject({
      type: `urn:weft:error:${code}`,
      status,
      code,
      title: code,
      detail: expect.any(String),
      cure: expect.any(String),
    })
    expect(await harness.metric('weft_feeds_open')).toBe(0)
  })

  test.each(['a b', '', '[::1', 'x:99999'])('from a host that is none: %j', async host => {
    const harness = await PeerHarness.start()
    const socket = connectTcp(harness.peer.port, '127.0.0.1')
    const target = `/feed/w?access_token=${await harness.token()}`
    socket.write(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    let told = ''
    for await (const chunk of socket) told += String(chunk)
    expect(told).toMatch(/^HTTP\/1\.1 400 [\s\S]*WEFT_REQUEST_MALFORMED/)
  })

  test('without the scope to read, and for a workflow that the token is not for', async () => {
    const { harness, base } = await scene()
    const get = async (request: object) =>
      fetch(`${base()}/feed/w?access_token=${await harness.token(request)}`)
    const scoped = await get({ scopes: ['write'] })
    expect([scoped.status, await scoped.json()]).toMatchObject([403, { code: 'WEFT_SCOPE' }])
    const foreign = await get({ workflows: 'mine-*' })
    expect([foreign.status, await foreign.json()]).toMatchObject([403, { code: 'WEFT_WORKFLOW_FORBIDDEN' }])
  })

  test('[TEN-1] the tenant is the token’s: the same workflow of another one is another log', async () => {
    const { harness, base, say } = await scene()
    await say('a secret')
    const token = await harness.token({ tenant: 'rival' })
    const response = await fetch(`${base()}/feed/w?from=2&access_token=${token}`)
    expect([response.status, await response.json()]).toMatchObject([416, { details: { reached: 0 } }])
  })

  test('with another method, and at another path', async () => {
    const { base } = await scene()
    for (const path of ['/feed/', '/feed/w/x']) {
      const response = await fetch(`${base()}${path}`, { method: 'POST' })
      expect([response.status, await response.json()]).toMatchObject([404, { code: 'WEFT_REQUEST_UNKNOWN' }])
    }
  })
})
