import { setImmediate } from 'node:timers/promises'
import { TrialLanes } from '@weft/peer'

/*
 * Closes what tries state while it answers, now a little sooner and now a little later, and says that it got through.
 * Nothing else holds this process, as in a command that has nothing left to do.
 */
const bounds = { answer_ms: 10_000, documents_bytes_max: 67_108_864, memory_bytes_max: 536_870_912 }
const rounds = Number(process.argv[2])
for (let round = 0; round < rounds; round++) {
  const lanes = new TrialLanes(bounds, { steady: () => performance.now() })
  await lanes.ask('t', { doc: 1, serial: 0, is: 'begin', kept: [], states: [] })
  // A lane asks nothing more before it has heard of the answer.
  await setImmediate()
  void lanes.ask('t', { doc: 1, serial: 1, is: 'drop', kept: [], states: [] }).catch(() => {})
  // The answer has to come while this thread looks elsewhere.
  for (const until = performance.now() + round; performance.now() < until; );
  await lanes.close()
}
console.log('closed')
