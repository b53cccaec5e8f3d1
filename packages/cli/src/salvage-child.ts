import { once } from 'node:events'
import { salvage, sealOf } from '@weft/store-level'
import { coded } from './base/failure.js'
import { openingAsItIs } from './cli/encryption.js'
import type { SalvageMessage } from './stores/salvage-process.js'

// Nobody would be told of anything any more, and the store would stay locked.
process.once('disconnect', () => process.exit())

/** Tells the parent, and waits until it has gone out. */
function tell(message: SalvageMessage): Promise<void> {
  return new Promise(resolve => process.send!(message, undefined, undefined, () => resolve()))
}

const [directory, keyFile] = process.argv.slice(2) as [string, string | undefined]
try {
  // The parent asks for each context, so that it holds one at a time.
  const [done] = (await once(process, 'message')) as [readonly string[]]
  const { encryption } = await openingAsItIs({ directory, keyFile })
  await tell({ seal: await sealOf(directory) })
  for await (const salvaged of salvage(directory, new Set(done), encryption)) {
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
