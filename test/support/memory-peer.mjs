import { startPeer } from '@weft/peer'
import { openLevelStore } from '@weft/store-level'
import { found, foundInBuffers, obey } from './own-memory.mjs'

/* A peer that looks for secrets in the memory of its own thread; states are tried in others. */

const { DATA, SECRET } = process.env
const key = { kind: 'secret', secret: SECRET }
const peer = await startPeer({ openStore: () => openLevelStore(DATA), key, port: 0 })
obey({ found, foundInBuffers, url: () => peer.url })
