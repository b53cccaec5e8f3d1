import { coded } from './base/failure.js'
import type { StoreCheckMessage } from './stores/store-check-process.js'
import { type CheckDepth, checkDirectory } from './stores/store-check.js'

// Nobody would be told of anything any more, and the store would stay locked.
process.once('disconnect', () => process.exit())

/** Tells the parent, and waits until it has gone out. */
function tell(message: StoreCheckMessage): Promise<void> {
  return new Promise(resolve => process.send!(message, undefined, undefined, () => resolve()))
}

try {
  const [directory, depth, keyFile] = process.argv.slice(2) as [string, CheckDepth, string | undefined]
  for await (const finding of checkDirectory({ directory, keyFile }, depth)) {
    await tell('lost' in finding ? { lost: toldOf(finding.lost) } : finding)
  }
  await tell({ done: true })
} catch (thrown) {
  await tell({ error: toldOf(thrown) })
}
process.disconnect()

function toldOf(thrown: unknown) {
  const { code, message, cure, details } = coded(thrown)
  return { code, message, cure, details }
}
