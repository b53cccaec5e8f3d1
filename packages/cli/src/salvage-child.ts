import { once } from 'node:events'
import { salvage, sealOf } from '@weft/store-level'
import { coded } from './failure.js'
import type { SalvageMessage } from './salvage-process.js'

/** Tells the parent, and waits until it has gone out. */
function tell(message: SalvageMessage): Promise<void> {
  return new Promise(resolve => process.send!(message, undefined, undefined, () => resolve()))
}

const directory = process.argv[2]!
try {
  // The parent asks for each context, so that it holds one at a time.
  const [done] = (await once(process, 'message')) as [readonly string[]]
  await tell({ seal: await sealOf(directory) })
  for await (const salvaged of salvage(directory, new Set(done))) {
    const answered = 'context' in salvaged ? once(process, 'message') : undefined
    await tell(salvaged)
    await answered
  }
  await tell({ done: true })
} catch (thrown) {
  const { code, message, cure } = coded(thrown)
  await tell({ error: { code, message, cure } })
}
process.disconnect()
