import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { signToken, type TokenRequest } from '@weft/peer'
import { expect, onTestFinished, test } from 'vitest'
import { CliPeer, SECRET } from '../support/cli-peer.ts'
import { Running, weftHere } from '../support/cli-run.ts'
import { Author } from '../support/wire-author.ts'
import { WireClient } from '../support/wire-client.ts'

async function fileOf(text: string | undefined): Promise<{ file: string; data: string }> {
  const peer = await CliPeer.start()
  onTestFinished(() => peer.stop())
  const file = join(peer.folder, 'quotas.json')
  if (text !== undefined) await writeFile(file, text)
  return { file, data: join(peer.folder, 'x') }
}

test('[TEN-2] weft serve holds each tenant to the quota of a file', async () => {
  const quotas = { default: { contexts_max: 1 }, tenants: { acme: { bytes_max: 100 } } }
  const { file, data } = await fileOf(JSON.stringify(quotas))
  const args = ['serve', '--data', data, '--port', '0', '--quotas', file, '--json', '--log-level', 'silent']
  const running = new Running(args, { env: { WEFT_SECRET: SECRET } })
  onTestFinished(() => void running.child.kill('SIGKILL'))
  const { url } = JSON.parse(await running.line()) as { url: string }
  const offer = async (tenant: string): Promise<WireClient> => {
    const token = await signToken(SECRET, { tenant, scopes: ['read', 'write'], lifetime: 60 })
    const client = await WireClient.following(url, token)
    onTestFinished(() => void client.socket.terminate())
    client.push(new Author(1).append(200))
    return client
  }
  expect(await (await offer('acme')).next('refuse')).toMatchObject({ code: 'WEFT_QUOTA_BYTES' })
  await (await offer('zeta')).next('log')
  const quotaFor = async (tenant: string, scopes: TokenRequest['scopes']) => {
    const WEFT_TOKEN = await signToken(SECRET, { tenant, scopes, lifetime: 60 })
    const { stdout } = await weftHere(['doctor', '--json'], { env: { WEFT_URL: url, WEFT_TOKEN } })
    const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] }
    return findings.find(({ check }) => check === 'quota')
  }
  expect(await quotaFor('acme', ['read', 'write', 'admin'])).toEqual({
    check: 'quota',
    status: 'ok',
    detail: 'the tenant stores 0 bytes of 100 bytes, in 0 of 1 contexts',
  })
  expect(await quotaFor('zeta', ['read', 'admin'])).toMatchObject({
    status: 'problem',
    detail: expect.stringContaining('in 1 of 1 contexts'),
    cure: expect.stringContaining('--quotas'),
  })
  expect(await quotaFor('zeta', ['read', 'write'])).toMatchObject({ status: 'skipped' })
})

interface Finding {
  readonly check: string
  readonly status: string
}

test.each([
  ['is not there', undefined, /cannot be read/],
  ['is not JSON', '{', /cannot be read/],
  ['has a name that is no quota', '{"default": {"byte_max": 5}}', /byte_max/],
  ['has a bound that is none', '{"default": {"bytes_max": "much"}}', /whole number/],
  ['names what is no tenant', '{"tenants": {"a b": {}}}', /tenant/],
  ['says something else', '{"acme": {}}', /"acme"/],
])('weft serve refuses a file of quotas that %s', async (_, text, reason) => {
  const { file, data } = await fileOf(text)
  const args = ['serve', '--data', data, '--port', '0', '--quotas', file]
  const { code, stderr } = await weftHere(args, { env: { WEFT_SECRET: SECRET } })
  expect(code).toBe(2)
  expect(stderr).toMatch(reason)
})
