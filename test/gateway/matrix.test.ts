import { expect, test } from 'vitest'
import { canariesIn } from '../support/canaries.ts'
import {
  expectedOf,
  INTRUDERS,
  type Intruder,
  type Row,
  type Scene,
  VICTIM,
  victimScene,
} from '../support/intruders.ts'
import { until } from '../support/peer-until.ts'

interface Asked {
  readonly row: Row
  readonly body?: object
  /** Behind the path. */
  readonly query?: string
}

const FORBIDDEN = 'WEFT_WORKFLOW_FORBIDDEN'
const READ: Row = ['200', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may']
/** It takes no token. */
const PUBLIC: Row = ['200', '200', '200', '200', '200']
const entries = [{ kind: 'message', value: { text: 'mine' } }]
const schema = { name: 'research', version: 1 }

/** All routes of the gateway's document, and what comes of each for whom. A number is the status of an answer about the asker's own. */
const ROUTES: Readonly<Record<string, Asked>> = {
  'GET /v1/openapi.json': { row: PUBLIC },
  'GET /v1/contexts/{workflow}/state': { row: READ },
  'GET /v1/contexts/{workflow}/log': { row: READ },
  'GET /v1/contexts/{workflow}/audit': { row: READ },
  'GET /v1/contexts/{workflow}/window': { row: READ, query: '?budget=1000' },
  'POST /v1/contexts/{workflow}/changes': {
    row: ['201', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'],
    body: { agent: 'a', schema, entries },
  },
  'GET /v1/contexts/{workflow}/branches': { row: READ },
  'POST /v1/contexts/{workflow}/branches': {
    row: ['201', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'],
    body: { agent: 'a', schema, branches: ['begun'] },
  },
  'POST /v1/contexts/{workflow}/branches/abandon': {
    row: ['WEFT_BRANCH_UNKNOWN', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'],
    body: { agent: 'a', branches: ['leased'] },
  },
  'POST /v1/contexts/{workflow}/merges': {
    row: ['WEFT_BRANCH_UNKNOWN', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'],
    body: { agent: 'a', schema, branches: ['leased'] },
  },
  'GET /v1/contexts/{workflow}/merges/{change}': {
    row: ['WEFT_CHANGE_UNKNOWN', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may'],
  },
  'POST /v1/contexts/{workflow}/resolutions': {
    row: ['WEFT_CONFLICT_UNKNOWN', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'],
    body: { agent: 'a', schema, pointer: '/constraints', value: {} },
  },
  'GET /v1/contexts/{workflow}/subscriptions/{name}': {
    row: ['WEFT_SUBSCRIPTION_UNKNOWN', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may'],
  },
  'POST /v1/contexts/{workflow}/subscriptions/{name}/claims': {
    row: ['WEFT_SUBSCRIPTION_UNKNOWN', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'],
    body: { agent: 'a', wait_ms: 1 },
  },
  'POST /v1/contexts/{workflow}/subscriptions/{name}/claims/{claim}/ack': {
    row: ['WEFT_SUBSCRIPTION_UNKNOWN', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'],
    body: { agent: 'a' },
  },
  'POST /v1/contexts/{workflow}/subscriptions/{name}/claims/{claim}/renew': {
    row: ['WEFT_SUBSCRIPTION_UNKNOWN', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'],
    body: { agent: 'a' },
  },
  'DELETE /v1/contexts/{workflow}/subscriptions/{name}/claims/{claim}': {
    row: ['WEFT_SUBSCRIPTION_UNKNOWN', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'],
    query: '?agent=a',
  },
  'POST /v1/contexts/{workflow}/subscriptions/{name}': {
    row: ['200', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'may'],
    body: { agent: 'a', replace: true },
  },
  'GET /v1/overlays': { row: ['200', 'may', 'may', 'WEFT_SCOPE', 'may'] },
  'GET /v1/overlays/{name}': { row: ['WEFT_REQUEST_UNKNOWN', 'may', 'may', 'WEFT_SCOPE', 'may'] },
  'GET /v1/overlays/{name}/history': { row: ['200', 'may', 'may', 'WEFT_SCOPE', 'may'] },
  'POST /v1/overlays/{name}': {
    row: ['201', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'],
    body: { agent: 'a', value: { prompt: 'mine' } },
  },
}

/** What the peer itself answers over HTTP, as it says where there is nothing. */
const OF_THE_PEER: Readonly<Record<string, Asked>> = {
  'GET /feed/<workflow>': { row: ['200', FORBIDDEN, 'may', 'WEFT_SCOPE', 'may'] },
  'GET /contexts': { row: ['200', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'] },
  'GET /usage': { row: ['200', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'] },
  'GET /webhooks': { row: ['200', 'may', 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'] },
  'POST /webhooks/<name>/<workflow>/resume': {
    row: ['WEFT_SUBSCRIPTION_UNKNOWN', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'],
  },
  'POST /retention': { row: ['200', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'] },
  'POST /drop?tenant=<tenant>': {
    row: ['WEFT_USAGE', FORBIDDEN, 'WEFT_SCOPE', 'WEFT_SCOPE', 'WEFT_SCOPE'],
  },
}

interface Told {
  /** The code of a refusal, or the status. */
  readonly what: string
  readonly headers: string
  readonly text: string
}

async function ask(method: string, url: string, token: string, body: object | undefined): Promise<Told> {
  const ended = new AbortController()
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
    signal: ended.signal,
  })
  const isFeed = response.headers.get('content-type') === 'text/event-stream'
  const text = isFeed ? await beginningOf(response) : await response.text()
  ended.abort()
  const { code } = response.headers.get('content-type') === PROBLEM ? JSON.parse(text) : response
  return { what: code ?? String(response.status), headers: JSON.stringify([...response.headers]), text }
}

const PROBLEM = 'application/problem+json'

/** Of a stream that goes on: what it begins with, and all that it holds already if it is of a context with changes. */
async function beginningOf(response: Response): Promise<string> {
  const { value } = await response.body!.getReader().read()
  return Buffer.from(value ?? []).toString()
}

function addressOf(template: string, { claim, merge }: Scene): string {
  return template
    .replace(/[{<]workflow[}>]/, 'w')
    .replace('/overlays/{name}', '/overlays/house')
    .replace('{name}', 'pool')
    .replace('<name>', 'hook')
    .replace('<tenant>', VICTIM)
    .replace('{claim}', claim.id)
    .replace('{change}', merge.change)
}

const READERS: readonly Intruder[] = ['readOnly', 'noAdmin']

test('[TEN-1] every route of the gateway, and every one of the peer, has its row', async () => {
  const { api, peer } = await victimScene()
  const document = await (await fetch(`${api.gateway.url}/v1/openapi.json`)).json()
  const { paths } = document as { paths: Record<string, object> }
  const operations = Object.entries(paths).flatMap(([path, verbs]) =>
    Object.keys(verbs).map(verb => `${verb.toUpperCase()} ${path}`),
  )
  expect(Object.keys(ROUTES).sort()).toEqual(operations.sort())
  const nothing = await peer.http('/feed')
  const told = (JSON.parse(nothing.text) as { cure: string }).cure.match(/(?:GET|POST) [^ ,]+/g)
  expect(told).toEqual(expect.arrayContaining(Object.keys(OF_THE_PEER)))
  expect(told).toHaveLength(Object.keys(OF_THE_PEER).length)
})

test.each([
  ...Object.entries(ROUTES),
  ...Object.entries(OF_THE_PEER),
])('[TEN-1] [TEN-5] %s, by who has no business with it', async (route, { row, body, query = '' }) => {
  const scene = await victimScene()
  const origin = route in ROUTES ? scene.api.gateway.url : scene.peer.url.replace(/^ws/, 'http')
  const [method = '', template = ''] = route.split(' ')
  const before = await scene.look()
  for (const intruder of INTRUDERS) {
    const expected = row === PUBLIC ? '200' : expectedOf(row, intruder)
    if (expected === undefined) continue
    const url = `${origin}${addressOf(template, scene)}${query}`
    const { what, headers, text } = await ask(method, url, scene.tokens[intruder], body)
    expect([intruder, what]).toEqual([intruder, expected])
    if (!READERS.includes(intruder)) expect(canariesIn(headers + text), intruder).toEqual([])
    expect(await scene.look(), intruder).toEqual(before)
  }
})

test('[TEN-1] deliveries are told to an admin of those workflows alone that the token is about', async () => {
  const { peer, token, tokens } = await victimScene()
  const url = `${peer.url.replace(/^ws/, 'http')}/webhooks`
  const listed = async (asked: string) => (await ask('GET', url, asked, undefined)).text
  await until(async () => (await listed(token)).includes('"w"'), 'the delivery of w is in trouble')
  expect(await listed(tokens.narrow)).not.toContain('"w"')
})
