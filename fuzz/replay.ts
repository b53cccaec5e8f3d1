import { type Change, decodeChange, fromHex } from '@weft/core'
import { offer } from './changes.js'
import type { Sample } from './corpus.js'
import { Dice, sha256 } from './dice.js'
import { fire } from './frames.js'
import { Honest } from './honest.js'
import { judgeLog } from './judge.js'
import { fireReplica } from './replica-frames.js'
import { Target } from './target.js'
import { fireUpdates } from './updates.js'

/** Does again what a sample holds. @throws when it does harm still */
export async function replay({ kind, log, inputs }: Sample): Promise<void> {
  const bytes = inputs.map(fromHex)
  switch (kind) {
    case 'frames':
      return replayOnPeer([], target => fire(target, bytes))
    case 'changes':
      return replayOnPeer(log.map(fromHex), async target => {
        const eve = await target.following('acme', 'w')
        await offer(eve, bytes)
        eve.hangUp()
      })
    case 'replica-frames':
      return fireReplica(bytes, new Dice(1))
    case 'updates':
      fireUpdates(bytes)
  }
}

/** What was there is there still, and whoever keeps to everything is served. */
async function replayOnPeer(
  log: readonly Uint8Array[],
  act: (target: Target) => Promise<unknown>,
): Promise<void> {
  const dice = new Dice(1)
  const target = await Target.start(dice)
  try {
    const line = await target.following('acme', 'w')
    const known: Change[] = log.map(bytes => decodeChange(bytes, sha256))
    if (log.length > 0) await offer(line, log)
    await act(target)
    line.hangUp()
    const honest = new Honest(await target.following('acme', 'w'), dice)
    const written = honest.write()
    await honest.push([written])
    honest.free()
    judgeLog(await target.log('acme', 'w'), [...known, written], dice)
  } finally {
    await target.close()
  }
}
