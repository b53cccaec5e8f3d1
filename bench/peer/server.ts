import { openLevelStore } from '@weft/store-level'
import { startPeer } from '@weft/peer'
import { collectAll, heldBytes } from '../measure.js'
import { type Memory, type Request, SECRET, type Started, type Usage } from './messages.js'

/** The server's process: a durable peer on the data directory that it is given, which answers what it took. */
const [directory, limits = '{}'] = process.argv.slice(2)
const peer = await startPeer({
  openStore: () => openLevelStore(directory!),
  key: { kind: 'secret', secret: SECRET },
  port: 0,
  limits: JSON.parse(limits),
})

process.on('message', (request: Request) => {
  if (request === 'stop') void peer.close().then(() => process.disconnect())
  else process.send!(request === 'usage' ? usage() : request === 'memory' ? memory() : collected())
})
process.on('disconnect', () => void peer.close())
process.send!({ url: peer.url } satisfies Started)

function usage(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpuUs: user + system }
}

/** As `memory`, without a snapshot of the heap, which takes memory itself. */
function collected(): Memory {
  collectAll()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heldBytes: heapUsed + external, residentBytes: rss }
}

function memory(): Memory {
  const held = heldBytes()
  return { heldBytes: held, residentBytes: process.memoryUsage.rss() }
}
