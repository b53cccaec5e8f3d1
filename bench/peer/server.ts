import { openLevelStore } from '@weft/store-level'
import { startPeer } from '@weft/peer'
import { heldBytes } from '../measure.js'
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
  else process.send!(request === 'usage' ? usage() : memory())
})
process.on('disconnect', () => void peer.close())
process.send!({ url: peer.url } satisfies Started)

function usage(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpuUs: user + system }
}

function memory(): Memory {
  const held = heldBytes()
  return { heldBytes: held, residentBytes: process.memoryUsage.rss() }
}
