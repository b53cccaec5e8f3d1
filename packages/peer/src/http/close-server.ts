import type { Server } from 'node:http'
import type { Socket } from 'node:net'

export interface Closer {
  /**
   * Resolves when what was asked of a server is answered. A client may keep a connection over which it has asked nothing yet;
   * to Node that is no idle one, and it would be waited for until the client lets go of it.
   */
  close(): Promise<void>
  /** Breaks off what is still open, also those connections that Node itself has let go of. */
  cut(): void
}

export function closerOf(server: Server): Closer {
  const open = new Set<Socket>()
  server.on('connection', socket => {
    if (open.has(socket)) return
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  const close = (): Promise<void> =>
    new Promise(resolve => {
      server.close(() => resolve())
      server.closeIdleConnections()
      for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
    })
  const cut = (): void => {
    for (const socket of open) socket.destroy()
  }
  return { close, cut }
}
