import { afterAll, beforeAll, expect, test } from 'vitest'
import { CliPeer } from '../support/cli-peer.ts'
import { weftHere, weftJson } from '../support/cli-run.ts'

let peer: CliPeer
let env: Record<string, string>

beforeAll(async () => {
  peer = await CliPeer.start()
  env = await peer.env({ scopes: ['read', 'write', 'admin'] })
})

afterAll(() => peer.stop())

const show = async (token: string) => {
  const { stderr } = await weftHere(['show', 'wf', '--json'], { env: { ...env, WEFT_TOKEN: token } })
  return stderr.startsWith('{') ? JSON.parse(stderr).error.code : 'let in'
}

test('[TEN-5] weft token revoke: one token by itself or by its id, those of a subject, all', async () => {
  const byItself = await peer.token()
  const byId = await peer.token()
  const bySubject = await peer.token({ subject: 'worker-7' })
  const other = await peer.token({ subject: 'worker-8' })
  const { jti } = JSON.parse(Buffer.from(byId.split('.')[1]!, 'base64url').toString())
  const revoke = (...flags: string[]) =>
    weftJson(['token', 'revoke', '--reason', 'leaked', ...flags], { env })
  expect(await revoke('--id', byItself)).toMatchObject({ version: 1 })
  expect(await revoke('--id', jti)).toMatchObject({ revoked: { token: jti } })
  expect(await revoke('--subject', 'worker-7')).toMatchObject({ revoked: { subject: 'worker-7' } })
  expect(await Promise.all([byItself, byId, bySubject, other].map(show))).toEqual([
    'WEFT_TOKEN_REVOKED',
    'WEFT_TOKEN_REVOKED',
    'WEFT_TOKEN_REVOKED',
    'let in',
  ])
  expect(await revoke('--all')).toMatchObject({ version: 4 })
  expect(await show(other)).toBe('WEFT_TOKEN_REVOKED')
})

test.each([
  [[]],
  [['--all', '--subject', 'a']],
  [['--id', 'a.b.c']],
  [['--id', 'eyJhbGciOiJub25lIn0.e30.x']],
])('weft token revoke %j is refused', async flags => {
  const { stderr, code } = await weftHere(['token', 'revoke', '--json', ...flags], { env })
  expect(code).toBe(2)
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'WEFT_USAGE' } })
})
