import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from '@weft/replica'
import { expect, onTestFinished, test } from 'vitest'
import { CliPeer, SECRET } from '../support/cli-peer.ts'
import { Running, weftHere, weftJson } from '../support/cli-run.ts'
import { Journal } from '../support/journal.mjs'
import { WebhookTarget } from '../support/webhook-target.ts'

test('[WAK-1] weft serve delivers to the webhooks of a file, also what was written before, over a kill', async () => {
  const target = await WebhookTarget.start()
  const other = await CliPeer.start()
  onTestFinished(() => other.stop())
  const file = join(other.folder, 'webhooks.json')
  const webhook = { name: 'crm', tenant: 'acme', url: target.url, secret: 'a secret of the webhook, shared' }
  await writeFile(file, JSON.stringify([webhook]))
  const data = join(other.folder, 'served')
  const args = ['serve', '--data', data, '--port', '0', '--webhooks', file, '--json', '--log-level', 'silent']
  const serve = async () => {
    const running = new Running(args, { env: { WEFT_SECRET: SECRET } })
    onTestFinished(() => void running.child.kill('SIGKILL'))
    return { running, url: (JSON.parse(await running.line()) as { url: string }).url }
  }
  const first = await serve()
  const token = await other.token({ scopes: ['read', 'write', 'admin'] })
  const replica = await connect({ url: first.url, token })
  onTestFinished(() => replica.close({ discard: true }))
  const context = await replica.open(Journal, { workflow: 'w', agent: 'author' })
  target.answers.push(204, 503)
  const ids = () => new Set(target.taken.map(({ event }) => event.id))
  const all = new Promise<void>(resolve => {
    target.onReceived = () => ids().size === 3 && resolve()
  })
  for (const text of ['one', 'two']) await context.append('line', text).committed
  await first.running.end('SIGKILL')
  const second = await serve()
  const again = await connect({ url: second.url, token })
  onTestFinished(() => again.close({ discard: true }))
  const reopened = await again.open(Journal, { workflow: 'w', agent: 'author' })
  await reopened.append('line', 'three').committed
  await all
  expect(await weftJson(['webhooks'], { env: { WEFT_URL: second.url, WEFT_TOKEN: token } })).toEqual([])
})

test.each<[string, readonly string[], string]>([
  ['a webhook without its workflow', ['--resume', 'crm'], 'WEFT_USAGE'],
  ['a webhook that is not parked', ['--resume', 'crm', '--workflow', 'w'], 'WEFT_SUBSCRIPTION_UNKNOWN'],
  ['a name that is no id', ['--resume', 'a/b', '--workflow', 'w'], 'WEFT_ID_INVALID'],
])('weft webhooks refuses %s', async (_, args, code) => {
  const peer = await CliPeer.start()
  onTestFinished(() => peer.stop())
  const env = await peer.env({ scopes: ['admin'] })
  const finished = await weftHere(['webhooks', ...args], { env })
  expect(finished.code).toBe(2)
  expect(finished.stderr).toContain(code)
})

test('weft webhooks needs a token that may administer', async () => {
  const peer = await CliPeer.start()
  onTestFinished(() => peer.stop())
  const { code, stderr } = await weftHere(['webhooks'], { env: await peer.env() })
  expect([code, stderr]).toEqual([3, expect.stringContaining('WEFT_SCOPE')])
})

test.each([
  ['is not there', undefined, /cannot be read/],
  ['is not JSON', '[{"secret": "hush"', /not JSON/],
  ['holds no webhook', '[{}]', /webhook 1 cannot be used/],
])('weft serve refuses a file of webhooks that %s, and tells no secret', async (_, text, reason) => {
  const peer = await CliPeer.start()
  onTestFinished(() => peer.stop())
  const file = join(peer.folder, 'webhooks.json')
  if (text !== undefined) await writeFile(file, text)
  const args = ['serve', '--data', join(peer.folder, 'x'), '--port', '0', '--webhooks', file]
  const { code, stderr } = await weftHere(args, { env: { WEFT_SECRET: SECRET } })
  expect(code).toBe(2)
  expect(stderr).toMatch(reason)
  expect(stderr).not.toContain('hush')
})
