import { openLevelStore } from '@weft/store-level'
import { coded } from './failure.js'
import type { StoreCheckMessage } from './store-check-process.js'
import { checkStore } from './store-check.js'

/** Tells the parent, and waits until it has gone out. */
function tell(message: StoreCheckMessage): Promise<void> {
  return new Promise(resolve => process.send!(message, undefined, undefined, () => resolve()))
}

try {
  const store = await openLevelStore(process.argv[2]!)
  for await (const verdict of checkStore(store)) await tell({ verdict })
  await store.close()
  await tell({ done: true })
} catch (thrown) {
  const { code, message, cure } = coded(thrown)
  await tell({ error: { code, message, cure } })
}
process.disconnect()
