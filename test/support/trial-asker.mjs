import { TrialLanes } from '@weft/peer'

/*
 * Has state changes tried as a peer does, one after the other, as it is told; says when it has asked, and the answer.
 */
const bounds = {
  answer_ms: Number(process.env.ANSWER_MS),
  documents_bytes_max: 67_108_864,
  memory_bytes_max: 536_870_912,
}
const lanes = new TrialLanes(bounds, { steady: () => performance.now() })
let serial = 0
const ask = (is, states) => lanes.ask('t', { doc: 0, serial: serial++, is, kept: [], states })
await ask('begin', [])
process.on('message', async ({ state }) => {
  const answering = ask('try', [Buffer.from(state, 'base64')])
  process.send({ asked: true })
  try {
    process.send(await answering)
  } catch (error) {
    process.send({ failed: error.message })
  }
})
process.send({ ready: true })
