import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Store, WeftError } from '@weft/core'
import { Level } from 'level'
import { describe, expect, test } from 'vitest'
import { CanaryWatch, canariesIn, canaryOf } from '../support/canaries.ts'
import { weftHere } from '../support/cli-run.ts'
import { overriding } from '../support/peer-store.ts'
import { until } from '../support/peer-until.ts'
import { ACTS } from '../support/tenant-acts.ts'
import { numberOf, TenantWorld, WORKFLOW } from '../support/tenant-world.ts'

const TENANTS = 100
/** `npm run soak:tenants` does 100,000. */
const OPERATIONS = Number(process.env.WEFT_CANARY_OPERATIONS ?? 500)

/** So many acts go on at once, of tenants that follow each other. */
const LANES = 8

/** So often what has come until then is looked at, and let go of. */
const PORTION = 5_000

function look(world: TenantWorld, done: number, operations: number): void {
  world.seeLogged()
  world.seeWebhooks()
  console.log(`${done} of ${operations} operations, ${world.watch.leaks.length} foreign bytes`)
}

/** All tenants take turns, each beginning elsewhere among the acts. @returns what was done */
async function play(world: TenantWorld, operations: number): Promise<number> {
  const { tenants } = world
  let next = 0
  let done = 0
  const lane = async (): Promise<void> => {
    while (next < operations) {
      const index = next++
      const turn = Math.floor(index / tenants.length)
      const tenant = tenants[index % tenants.length]!
      await ACTS[(turn + 5 * tenant.number) % ACTS.length]!(world, tenant, turn)
      done++
      if (done % PORTION === 0) look(world, done, operations)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  return done
}

/** What the verbs of a tenant write into files, and say. */
async function takeAway(world: TenantWorld, number: number): Promise<void> {
  const { watch, folder, peer } = world
  const env = { WEFT_URL: peer.url, WEFT_TOKEN: await world.token(number) }
  const directory = join(folder, `backup-${number}`)
  for (const args of [
    ['export', WORKFLOW],
    ['log', WORKFLOW, '--json'],
    ['backup', '--to', directory],
    ['show', 'nothing'],
    ['audit', WORKFLOW],
  ]) {
    const { stdout, stderr } = await weftHere(args, { env })
    watch.see(args[0]!, number, stdout + stderr)
  }
  const files = await readdir(directory, { recursive: true, withFileTypes: true })
  for (const file of files.filter(each => each.isFile()))
    watch.see('backup', number, await readFile(join(file.parentPath, file.name)))
}

/** All rows of the store, each held against the tenant that its key begins with. */
async function lookIntoStore({ folder, watch }: TenantWorld): Promise<void> {
  const level = new Level<string, Uint8Array>(join(folder, 'data'), { valueEncoding: 'view' })
  for await (const [key, value] of level.iterator()) {
    const [first = '', second = ''] = key.split('\0')
    // What a tenant uses lies under a key of the store's own, with the tenant behind it.
    const number = numberOf(first === '!usage' ? second : first)
    watch.see('store', number, key)
    watch.see('store', number, value)
  }
  await level.close()
}

const PLACES = [
  ...['frame', 'error', 'http', 'feed', 'webhook', 'logged', 'public', 'store'],
  ...['read', 'window', 'step', 'effect', 'claim', 'summary', 'overlay', 'handoff', 'session', 'scratch'],
  ...['export', 'backup', 'log', 'show', 'audit'],
]

/** A store that forgets for whom it is asked: all read what the first has written, and what others write is nowhere. */
function forgetful(store: Store): Store {
  return overriding(store, inner => {
    if (inner.tenant === canaryOf(0)) return {}
    const first = store.tenant(canaryOf(0))
    return { head: first.head.bind(first), read: first.read.bind(first), append: async () => {} }
  })
}

/** Under such a store some acts cannot be done. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof Error)) throw error
}

/** A row of one tenant under a key of another, as a writer leaves it that mixes them up. */
async function misplaceRow({ folder }: TenantWorld): Promise<void> {
  const level = new Level<string, string>(join(folder, 'data'))
  await level.put(`${canaryOf(1)}\0l\0w\x0000000000000009`, `a change of ${canaryOf(2)}`)
  await level.close()
}

/** What such a store leads to for sure; that other acts go on is not. */
const FOUND_IN = ['frame', 'read', 'window', 'step', 'http', 'feed', 'logged', 'export', 'store']

describe('the search for canaries', () => {
  const canary = canaryOf(42)
  const escaped = (before: string) =>
    [...canary].map(each => before + each.charCodeAt(0).toString(16).padStart(2, '0')).join('')
  test.each<[string, Uint8Array | string]>([
    ['plain', `"${canary}"`],
    ['plain', Buffer.from([0x83, 0x12, ...Buffer.from(canary), 0xff])],
    ['hex', Buffer.from(canary).toString('hex')],
    ['hex', Buffer.from(`..${canary}`).toString('hex').toUpperCase()],
    ['base64', `token ${Buffer.from(canary).toString('base64')} ends`],
    ['base64', Buffer.from(`{"a":"${canary}","b":2}`).toString('base64')],
    ['base64', `x.${Buffer.from(`{"ab":"${canary}","b":2}`).toString('base64url')}.y`],
    ['base64', Buffer.from(`{"abc":"${canary}","b":2}`).toString('base64')],
    ['UTF-16', Buffer.from(`é${canary}`, 'utf16le')],
    ['escaped', escaped('\\u00')],
    ['escaped', escaped('%')],
    ['escaped', escaped('\\x')],
  ])('finds one that is %s, in %j', (encoding, data) => {
    const padded = Buffer.concat([Buffer.alloc(300, '.'), Buffer.from(data), Buffer.alloc(300, '.')])
    expect(canariesIn(padded)).toContainEqual({ tenant: 42, encoding })
    const watch = new CanaryWatch()
    watch.see('frame', 42, padded)
    expect(watch.leaks).toEqual([])
    watch.see('frame', 41, padded)
    watch.see('public', undefined, padded)
    expect(new Set(watch.leaks.map(({ place, tenant }) => `${place} ${tenant}`))).toEqual(
      new Set(['frame 42', 'public 42']),
    )
  })

  test('finds nothing where there is none, nor in what only looks so', () => {
    for (const data of [
      '',
      'Canary7',
      'Canary7x',
      'Canary7x12z',
      Buffer.from('Canary7x1').toString('base64'),
    ])
      expect(canariesIn(data)).toEqual([])
  })

  test('finds what an error says, in whichever of its parts', () => {
    const parts: [string, string, object][] = [
      [canary, '', {}],
      ['', canary, {}],
      ['', '', { at: [canary] }],
    ]
    for (const [message, cure, details] of parts) {
      const watch = new CanaryWatch()
      watch.seeError(41, new WeftError('WEFT_LIMIT', message, cure, { ...details }))
      expect(watch.leaks).toContainEqual({ tenant: 42, encoding: 'plain', place: 'error', at: 41 })
    }
  })

  test('finds what a store that forgets the tenant leads to, wherever it is told, and a line of another in the log', async () => {
    const planted = { store: forgetful, logged: () => ({ last: canaryOf(1) }) }
    const world = await TenantWorld.start({ tenants: 3, planted })
    for (const tenant of world.tenants.slice(1))
      for (const act of new Set(ACTS)) await act(world, tenant, 1).catch(ignoreRefusal)
    await takeAway(world, 2)
    await world.end()
    await misplaceRow(world)
    await lookIntoStore(world)
    const places = new Set(world.watch.leaks.map(({ place }) => place))
    expect([...places]).toEqual(expect.arrayContaining(FOUND_IN))
  })
})

describe('[TEN-1] [TEN-2] tenants that name everything alike', () => {
  test('no one of 100 gets a byte of another', { timeout: 3_600_000 }, async () => {
    const world = await TenantWorld.start({ tenants: TENANTS })
    const done = await play(world, OPERATIONS)
    for (const number of [0, 41, TENANTS - 1]) await takeAway(world, number)
    await world.seePublic()
    await until(
      () => (world.watch.looked.get('webhook')?.own ?? 0) > 0 || world.seeWebhooks() > 0,
      'webhooks have got something',
    )
    await world.end()
    await lookIntoStore(world)
    const { leaks, looked } = world.watch
    expect(leaks).toEqual([])
    expect(done).toBeGreaterThanOrEqual(OPERATIONS)
    // Where nothing of its own is found, nothing of others would be either.
    expect([...looked.keys()].sort()).toEqual(expect.arrayContaining([...PLACES].sort()))
    for (const place of PLACES.filter(each => each !== 'public' && each !== 'show'))
      expect([place, looked.get(place)!.own > 0]).toEqual([place, true])
  })
})
