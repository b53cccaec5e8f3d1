import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Calls back, at once if it is so, when all that was asked over a connection by now is answered, and it is still open. */
export type WhenAnswered = (socket: Socket, then: () => void) => void

/**
 * Has every response of a server emit `close`, once, also when its connection ends while others are answered over it
 * before: Node below 24 tells only the one whose turn it is, and all that hangs on the others would be held for ever.
 */
export function closeQueued(server: Server): WhenAnswered {
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
  return (socket, then) => {
    let left = openOf.get(socket)?.size ?? 0
    if (left === 0) return then()
    for (const response of openOf.get(socket)!)
      response.once('close', () => --left === 0 && !socket.destroyed && then())
  }
}

function close(response: ServerResponse): void {
  response.destroy()
  response.emit('close')
}
