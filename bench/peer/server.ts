import { openLevelStore } from '@weft/store-level'
import { startPeer } from '@weft/peer'
import { type Request, SECRET, type Started, type Usage } from './messages.js'

/** The server's process: a durable peer on the data directory that it is given, which answers how much CPU it took. */
const [directory] = process.argv.slice(2)
const peer = await startPeer({
  openStore: () => openLevelStore(directory!),
  key: { kind: 'secret', secret: SECRET },
  port: 0,
})

process.on('message', (request: Request) => {
  if (request === 'stop') void peer.close().then(() => process.disconnect())
  else process.send!(usage())
})
process.on('disconnect', () => void peer.close())
process.send!({ url: peer.url } satisfies Started)

function usage(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpuUs: user + system }
}
