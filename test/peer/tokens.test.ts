import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { signToken, type TokenGrant, type TokenKey, tokenVerifier } from '@weft/peer'
import { type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { PeerHarness, SECRET } from '../support/peer-harness.ts'
import { rejectionOf, until } from '../support/peer-until.ts'
import { Author } from '../support/wire-author.ts'
import { WireClient } from '../support/wire-client.ts'

const KEY: TokenKey = { kind: 'secret', secret: SECRET }
const GOOD: JWTPayload = { tenant: 'acme', scope: 'read write', workflows: 'wf-*' }
const ed25519 = generateKeyPairSync('ed25519')
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PEM = ed25519.publicKey.export({ type: 'spki', format: 'pem' }).toString()

interface Forgery {
  readonly claims?: JWTPayload
  readonly alg?: string
  readonly key?: Parameters<SignJWT['sign']>[0]
  readonly audience?: string | undefined
  readonly expires?: string | number | undefined
}

const secretKey = (secret: string) => createSecretKey(Buffer.from(secret))

function jwt(forgery: Forgery = {}): Promise<string> {
  const { claims = GOOD, alg = 'HS256', key = secretKey(SECRET) } = forgery
  const token = new SignJWT(claims).setProtectedHeader({ alg })
  const { audience, expires } = { audience: 'weft', expires: '1h', ...forgery }
  if (audience !== undefined) token.setAudience(audience)
  if (expires !== undefined) token.setExpirationTime(expires)
  return token.sign(key)
}

async function verified(token: string, key: TokenKey = KEY): Promise<TokenGrant> {
  return (await tokenVerifier(key))(token)
}

describe('a token', () => {
  test('that is right says who it is for', async () => {
    const grant = await verified(await jwt())
    expect(grant).toMatchObject({ tenant: 'acme', scopes: ['read', 'write'], workflows: 'wf-*' })
    expect(
      await verified(await signToken(SECRET, { tenant: 'acme', scopes: ['admin'], lifetime: 5 })),
    ).toMatchObject({
      scopes: ['admin'],
      workflows: '*',
    })
  })

  test('signed with the private half is taken by a peer that has the public one', async () => {
    const token = await jwt({ alg: 'EdDSA', key: ed25519.privateKey })
    expect(await verified(token, { kind: 'public', pem: PEM })).toMatchObject({ tenant: 'acme' })
  })

  const { tenant: _, ...withoutTenant } = GOOD
  const { scope: __, ...withoutScope } = GOOD
  const claims = (more: JWTPayload): Forgery => ({ claims: { ...GOOD, ...more } })
  const noneOf = (payload: JWTPayload): string =>
    new UnsecuredJWT(payload).setAudience('weft').setExpirationTime('1h').encode()

  test.each<[string, string, () => string | Promise<string>]>([
    ['is missing', 'WEFT_TOKEN_MISSING', () => ''],
    ['is garbage', 'WEFT_TOKEN_INVALID', () => 'garbage'],
    ['is garbage with dots', 'WEFT_TOKEN_INVALID', () => 'a.b.c'],
    ['is cut short', 'WEFT_TOKEN_INVALID', async () => (await jwt()).slice(0, -3)],
    [
      'is signed with another secret',
      'WEFT_TOKEN_INVALID',
      () => jwt({ key: secretKey('another secret, also long enough') }),
    ],
    ['has expired', 'WEFT_TOKEN_EXPIRED', () => jwt({ expires: 1_000 })],
    ['never expires', 'WEFT_TOKEN_CLAIMS', () => jwt({ expires: undefined })],
    ['is for another audience', 'WEFT_TOKEN_AUDIENCE', () => jwt({ audience: 'billing' })],
    ['is for no audience', 'WEFT_TOKEN_AUDIENCE', () => jwt({ audience: undefined })],
    ['is signed with HS512', 'WEFT_TOKEN_ALGORITHM', () => jwt({ alg: 'HS512' })],
    ['is signed with RS256', 'WEFT_TOKEN_ALGORITHM', () => jwt({ alg: 'RS256', key: rsa.privateKey })],
    ['is not signed', 'WEFT_TOKEN_ALGORITHM', () => noneOf(GOOD)],
    ['names no tenant', 'WEFT_TOKEN_CLAIMS', () => jwt({ claims: withoutTenant })],
    ['names a tenant that is no id', 'WEFT_TOKEN_CLAIMS', () => jwt(claims({ tenant: 'a:b' }))],
    ['names a tenant that is no text', 'WEFT_TOKEN_CLAIMS', () => jwt(claims({ tenant: ['acme'] }))],
    ['has no scope', 'WEFT_TOKEN_CLAIMS', () => jwt({ claims: withoutScope })],
    ['has an empty scope', 'WEFT_TOKEN_CLAIMS', () => jwt(claims({ scope: '' }))],
    ['has a scope that does not exist', 'WEFT_TOKEN_CLAIMS', () => jwt(claims({ scope: 'read root' }))],
    ['has a pattern that is none', 'WEFT_TOKEN_CLAIMS', () => jwt(claims({ workflows: 'a/b' }))],
    ['is not valid yet', 'WEFT_TOKEN_CLAIMS', () => jwt(claims({ nbf: 9_999_999_999 }))],
  ])('that %s is refused: %s', async (_, code, make) => {
    expect((await rejectionOf(verified(await make()))).code).toBe(code)
  })

  test('signed with the public key as if it were a secret is refused', async () => {
    const token = await jwt({ key: secretKey(PEM) })
    expect((await rejectionOf(verified(token, { kind: 'public', pem: PEM }))).code).toBe(
      'WEFT_TOKEN_ALGORITHM',
    )
  })

  test('a secret that is too short is refused where the peer starts', async () => {
    expect((await rejectionOf(tokenVerifier({ kind: 'secret', secret: 'short' }))).code).toBe('WEFT_USAGE')
  })
})

describe('at the door', () => {
  test('a refused token ends the connection with the code that asks for a new one', async () => {
    const { url } = await PeerHarness.start()
    const client = await WireClient.connect(url)
    client.hello(await jwt({ expires: 1_000 }))
    expect(await client.next('fail')).toMatchObject({ channel: null, code: 'WEFT_TOKEN_EXPIRED' })
    expect(await client.closed).toBe(4401)
  })

  test('[TEN-1] the tenant is that of the token, and one tenant never sees the workflow of another', async () => {
    const harness = await PeerHarness.start()
    const acme = await harness.following()
    const globex = await harness.following({ tenant: 'globex' })
    acme.push(new Author(1).append())
    await acme.next('log')
    globex.push(new Author(2).append())
    await globex.next('log')
    expect([...harness.disk.tenants.keys()].sort()).toEqual(['acme', 'globex'])
    expect(await harness.ids()).toHaveLength(1)
    expect(await harness.ids('w', 'globex')).not.toEqual(await harness.ids())
    expect(globex.inbox).toEqual([])
  })

  test('[TEN-3] a workflow that is no id, or begins as the engine’s own do, fails alone', async () => {
    const harness = await PeerHarness.start()
    const client = await harness.following()
    for (const workflow of ['a:b', '../w', '@other', '']) {
      client.open(workflow, 2)
      expect(await client.next('fail')).toMatchObject({ channel: 2, code: 'WEFT_ID_INVALID' })
      client.send({ name: 'shut', channel: 2 })
    }
    client.push(new Author(1).append())
    await client.next('log')
    expect([...harness.disk.tenants.get('acme')!.keys()]).toEqual(['w'])
  })

  test.each([
    ['*', ['anything', 'a.b~c'], []],
    ['wf-1', ['wf-1'], ['wf-12', 'xwf-1', 'wf-']],
    ['wf-*', ['wf-', 'wf-1'], ['xwf-1', 'wf']],
    ['*-eu', ['a-eu', '-eu'], ['a-eu-b']],
    ['a*b*c', ['abc', 'a1b2c', 'abbcc'], ['acb', 'ab', 'ac']],
    ['ab*ba', ['abba', 'ab.ba'], ['aba']],
    ['a.c', ['a.c'], ['abc']],
  ])('the pattern %s opens %j, and not %j', async (workflows, within, beyond) => {
    const harness = await PeerHarness.start()
    const client = await WireClient.welcomed(harness.url, await harness.token({ workflows }))
    let channel = 1
    for (const workflow of within) {
      client.open(workflow, ++channel)
      expect(await client.next('opened')).toMatchObject({ channel })
    }
    for (const workflow of beyond) {
      client.open(workflow, ++channel)
      expect(await client.next('fail')).toMatchObject({ channel, code: 'WEFT_WORKFLOW_FORBIDDEN' })
    }
  })

  test('a token that only reads sees everything and writes nothing, each change being refused', async () => {
    const harness = await PeerHarness.start()
    const reader = await harness.following({ scopes: ['read'] })
    const changes = new Author(1).appends(2)
    reader.push(...changes)
    for (const _ of changes) expect(await reader.next('refuse')).toMatchObject({ code: 'WEFT_SCOPE' })
    const writer = await harness.following()
    writer.push(changes[0]!)
    expect((await reader.next('log')).items).toHaveLength(1)
    expect(await harness.ids()).toEqual([changes[0]!.id])
  })

  test('a token that may not read opens nothing', async () => {
    const harness = await PeerHarness.start()
    const client = await WireClient.welcomed(harness.url, await harness.token({ scopes: ['write'] }))
    client.open('w')
    expect(await client.next('fail')).toMatchObject({ channel: 1, code: 'WEFT_SCOPE' })
  })

  test('[TEN-5] a token that expires ends its connection with the code that asks for a new one', async () => {
    const harness = await PeerHarness.start()
    const brief = await harness.following({ lifetime: 2 })
    const lasting = await harness.following()
    expect(await brief.closed).toBe(4401)
    expect(brief.inbox.at(-1)).toMatchObject({ name: 'fail', code: 'WEFT_TOKEN_EXPIRED' })
    lasting.push(new Author(1).append())
    await lasting.next('log')
    await until(async () => (await harness.metric('weft_connections')) === 1, 'the expired one is gone')
  })

  test('a token that outlasts the longest timer of Node is not taken for expired', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const harness = await PeerHarness.start({ limits: { ping_ms: 2_147_483_647 } })
    const client = await harness.following({ lifetime: 40 * DAY_S })
    const author = new Author(1)
    // In steps, so that a ping is answered before the next is due.
    for (let day = 0; day < 36; day += 12) {
      vi.advanceTimersByTime(12 * DAY_S * 1000)
      client.push(author.append())
      await client.next('log')
    }
    vi.advanceTimersByTime(5 * DAY_S * 1000)
    expect(await client.next('fail')).toMatchObject({ code: 'WEFT_TOKEN_EXPIRED' })
  })
})

const DAY_S = 86_400
