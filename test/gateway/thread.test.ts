import { connect } from 'node:net'
import { join } from 'node:path'
import { GatewayThread } from '@weft/gateway'
import { describe, expect, onTestFinished, test } from 'vitest'
import { PeerHarness } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'

const SCHEMAS = join(import.meta.dirname, '../support/gateway-schemas.mjs')

async function scene(schemas?: string) {
  let thread: GatewayThread | undefined
  const harness = await PeerHarness.start({ gateway: () => thread!.port() })
  const deaths: string[] = []
  /** What whoever asked right after a death was told. */
  const toldThen: Promise<unknown>[] = []
  thread = new GatewayThread({
    url: harness.url,
    onDied: reason => {
      deaths.push(reason)
      toldThen.push(rejectionOf(thread!.port()))
    },
    ...(schemas !== undefined && { schemas }),
  })
  onTestFinished(() => thread.close())
  const token = await harness.token()
  const ask = async (path: string, body?: object) => {
    const response = await fetch(`http://127.0.0.1:${harness.peer.port}${path}`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  return { harness, thread, deaths, toldThen, ask }
}

const change = (kind: string, value: unknown, name = 'fatal', version = 1) => ({
  agent: 'a',
  schema: { name, version },
  entries: [{ kind, value }],
})

describe('a gateway in a thread of the peer', () => {
  test('is begun when it is first asked for, and answers through the door of the peer', async () => {
    const { harness, ask } = await scene()
    expect(await harness.metric('weft_connections')).toBe(0)
    const answers = await Promise.all([
      ask('/v1/contexts/w/changes', change('message', 1)),
      ask('/v1/contexts/w/changes', change('message', 2)),
    ])
    expect(answers.map(({ status }) => status)).toEqual([201, 201])
    expect(await harness.metric('weft_connections')).toBe(1)
    expect(await harness.ids()).toHaveLength(2)
  })

  test('dies alone, and is begun again: the peer lives, and what was answered is durable', async () => {
    const { harness, deaths, toldThen, ask } = await scene(SCHEMAS)
    const first = await ask('/v1/contexts/w/changes', change('order', 'live'))
    expect(first.status).toBe(201)
    const killed = await ask('/v1/contexts/w/changes', change('order', 'die'))
    expect(killed).toMatchObject({ status: 503, body: { code: 'WEFT_GATEWAY_DOWN' } })
    expect((await harness.http('/readyz')).status).toBe(200)
    await until(() => deaths.length === 1, 'it is told of')
    expect(await toldThen[0]).toMatchObject({ code: 'WEFT_GATEWAY_DOWN' })
    await until(async () => (await ask('/v1/overlays')).status === 200, 'it is begun again')
    const log = await ask('/v1/contexts/w/log')
    expect(log.body).toMatchObject({ total: 1, entries: [{ change: first.body.change }] })
  })

  test('is begun less and less soon when it dies again and again', async () => {
    const { deaths, ask } = await scene(SCHEMAS)
    for (let death = 1; death <= 3; death++) {
      await until(
        async () => (await ask('/v1/contexts/w/changes', change('order', 'die'))) && deaths.length >= death,
        'it dies',
      )
    }
    const { body } = await ask('/v1/overlays')
    expect(Number(/in (\d+) ms/.exec(String(body.detail))?.[1])).toBeGreaterThan(100)
  })

  test('refuses what is too large, and what comes next on the connection is answered', async () => {
    const { harness } = await scene()
    const head = `POST /v1/contexts/w/changes HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${await harness.token()}`
    const body = 'x'.repeat(1_500_000)
    for (let time = 0; time < 10; time++) {
      const socket = connect(harness.peer.port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write(`${head}\r\ncontent-length: ${body.length}\r\n\r\n`)
      socket.write(body)
      socket.write('GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
      let told = ''
      for await (const chunk of socket) told += String(chunk)
      expect(told.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200'])
    }
  })

  test('that cannot be begun says why', async () => {
    const { thread, ask } = await scene('nowhere.mjs')
    await expect(thread.port()).rejects.toMatchObject({ code: 'WEFT_FILE_INVALID' })
    await until(async () => (await ask('/v1/overlays')).status === 503, 'it waits before it is begun again')
  })

  test('takes nothing any more when it is closed, and ends what it has begun', async () => {
    const { harness, thread, ask } = await scene()
    await ask('/v1/overlays')
    const release = harness.gate.hold()
    const before = harness.gate.appends
    const writing = ask('/v1/contexts/w/changes', change('message', 1))
    await until(() => harness.gate.appends > before, 'the write is with the peer')
    let isClosed = false
    const closing = thread.close().then(() => {
      isClosed = true
    })
    expect(await ask('/v1/overlays')).toMatchObject({ status: 503, body: { code: 'WEFT_DRAINING' } })
    expect(isClosed).toBe(false)
    release()
    expect((await writing).status).toBe(201)
    await closing
    expect(await harness.ids()).toHaveLength(1)
    await expect(thread.port()).rejects.toMatchObject({ code: 'WEFT_DRAINING' })
  })
})
