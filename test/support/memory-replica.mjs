import { createRequire } from 'node:module'
import { connect } from '@weft/replica'
import { Notes } from './notes.mjs'
import { found, obey, secret } from './own-memory.mjs'

/* A worker that reads and writes by every kind of handle there is, keeps them open, and looks for secrets in its memory. */

// Counted by a table of a quarter of the size: a search goes through all of it, and what could be kept is beside it.
const require = createRequire(import.meta.resolve('@weft/replica'))
const [used, small] = ['o200k_base', 'r50k_base'].map(name =>
  require.resolve(`gpt-tokenizer/encoding/${name}`),
)
require(small)
require.cache[used] = require.cache[small]

const { URL: url, TOKEN: token } = process.env
const replica = await connect({ url, token })
const open = (agent, branch = 'main') => replica.open(Notes, { workflow: 'w', agent, branch })
const context = await open('reader')
const side = await open('sider', 'side')
const idle = await open('idler')
const kept = { told: 0 }
kept.stop = context.onInvalidated(stale => {
  kept.told += stale.length
})
void listen(idle.invalidations())
void listen(idle.events())

async function listen(told) {
  for await (const each of told) kept.told += JSON.stringify(each).length
}

/** All that a handle shows, and nothing of it stays here. */
function read(handle) {
  const { position } = handle
  handle.window({ budget: 4_000 })
  handle.window({ budget: 4_000, as: 'anthropic', at: position - 1 })
  const past = handle.at(position - 1)
  const shown = [
    [
      handle.entries(),
      handle.entries({ reverted: true, order: 'interleaved' }),
      handle.state,
      handle.effects(),
    ],
    [handle.conflicts(), handle.resolutions(), handle.stale(), handle.blastRadius('state:/seen')],
    [[...handle.audit()], handle.digest(), handle.lastWriters('/seen')],
    [past.entries(), past.state, past.conflicts()],
  ]
  return JSON.stringify(shown).length
}

obey({
  /** @returns what holds its own secrets, and how far it is then */
  async write() {
    const said = context.append('message', { text: `mine: ${secret('d')}` })
    const wrote = context.change(state => {
      // Far behind in what it is written with, where nothing shorter is written over it.
      state.long = '.'.repeat(2_000)
      state.mine = secret('e')
    })
    await wrote.committed
    await context.change(state => {
      state.long = ''
      state.mine = 'nothing'
    }).committed
    const summed = await context.summarize({ to: 2 }, () => `all of it: ${secret('f')}`)
    const { change: stepped } = await context.step('think', async step => {
      step.window({ budget: 4_000 })
      await step.effect('look', () => ({ seen: secret('g') }))
      step.append('message', { text: `${step.entries().length} ${step.state.seen}: ${secret('h')}` })
      step.scratch.doc.getText('draft').insert(0, secret('i'))
    })
    const pool = await context.subscribe('pool')
    const claim = await pool.claim()
    await claim.ack()
    const effect = context.effects()[0].entry
    return {
      targets: [said.change, wrote.change, summed.change, stepped, effect],
      position: context.position,
    }
  },
  read: () => [context, side, idle].map(read),
  until: ({ position }) => context.until(() => context.position >= position),
  found,
})
