import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@weft/replica'
import { CountedJournal } from './counted-journal.mjs'

/*
 * Says how far it knows the log, then writes at a steady pace, a state change in every tenth, and says what was acknowledged,
 * and where. When it is told anything, it writes no more, and ends when all is acknowledged.
 */
const PATIENCE = { timeout_ms: 60_000 }
const UNDER_WAY_MAX = 50
const PAUSE_MS = 4
const { URL: url, TOKEN: token, WORKFLOW: workflow, AGENT: agent } = process.env
const replica = await connect({ url, token, ...PATIENCE })
const context = await replica.open(CountedJournal, { workflow, agent, ...PATIENCE })
process.send({ knows: context.position })

let stopped = false
process.once('message', () => {
  stopped = true
})

let underWay = 0
for (let n = 0; !stopped; n++) {
  const receipt =
    n % 10 === 9
      ? context.change(state => {
          // Never what a predecessor wrote: that would be no change.
          state.count[agent] = (state.count[agent] ?? 0) + 1
        })
      : context.append('line', `${agent} ${n}`)
  underWay++
  const said = position => {
    underWay--
    process.send({ id: receipt.change, position })
  }
  receipt.committed.then(said, error => process.send({ refused: String(error) }))
  do await sleep(PAUSE_MS)
  while (underWay >= UNDER_WAY_MAX && !stopped)
}
await replica.close(PATIENCE)
process.disconnect()
