import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Has every response of a server emit `close`, once, also when its connection ends while others are answered over it
 * before: Node below 24 tells only the one whose turn it is, and all that hangs on the others would be held for ever.
 */
export function closeQueued(server: Server): void {
  const openOf = new WeakMap<Socket, Set<ServerResponse>>()
  const openOver = (socket: Socket): Set<ServerResponse> => {
    const known = openOf.get(socket)
    if (known) return known
    const open = new Set<ServerResponse>()
    openOf.set(socket, open)
    // Behind whatever Node itself has still to tell of them.
    socket.once('close', () => setImmediate(() => open.forEach(close)))
    return open
  }
  server.prependListener('request', ({ socket }, response) => {
    const open = openOver(socket)
    open.add(response)
    response.once('close', () => open.delete(response))
  })
}

function close(response: ServerResponse): void {
  response.destroy()
  response.emit('close')
}
