import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * A way to close a server: resolves when what was asked of it is answered. A client may keep a connection over which it has
 * asked nothing yet; to Node that is no idle one, and it would be waited for until the client lets go of it.
 */
export function closerOf(server: Server): () => Promise<void> {
  const open = new Set<Socket>()
  server.on('connection', socket => {
    if (open.has(socket)) return
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  return () =>
    new Promise(resolve => {
      server.close(() => resolve())
      server.closeIdleConnections()
      for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
    })
}
