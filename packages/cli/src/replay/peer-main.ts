import { startPeer } from '@weft/peer'
import { openLevelStore } from '@weft/store-level'

/** The durable peer of a replay, in a process of its own. */
export interface PeerSettings {
  readonly directory: string
  readonly secret: string
  readonly port: number
}

export type FromPeer =
  | { readonly type: 'listening'; readonly url: string; readonly port: number }
  | { readonly type: 'failed'; readonly message: string }

process.on('message', async ({ directory, secret, port }: PeerSettings) => {
  try {
    const peer = await startPeer({
      openStore: () => openLevelStore(directory),
      key: { kind: 'secret', secret },
      port,
    })
    process.on('SIGTERM', () => void peer.drain().then(() => process.exit(0)))
    process.send?.({ type: 'listening', url: peer.url, port: peer.port } satisfies FromPeer)
  } catch (error) {
    process.send?.({
      type: 'failed',
      message: error instanceof Error ? error.message : String(error),
    } satisfies FromPeer)
  }
})
process.on('disconnect', () => process.exit(0))
