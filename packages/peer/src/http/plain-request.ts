import type { IncomingMessage, Server, ServerOptions } from 'node:http'
import type { WhenAnswered } from './queued-responses.js'

/** What a connection may be upgraded to here. A client may offer anything, and is served by HTTP as it is then (RFC 9110, 7.8). */
export function isForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.trim().toLowerCase() === 'websocket'
}

/** Has a Node that asks leave a connection where it is. The types of Node do not know of that yet. */
export const OFFERS: ServerOptions & { shouldUpgradeCallback: typeof isForWebSocket } = {
  shouldUpgradeCallback: isForWebSocket,
}

/**
 * Serves a request that offered another protocol, `h2c` for one, as if it had not. A Node that does not
 * ask has let go of the connection by then, with the body unread: so the server is given it as a new one, over which the
 * same comes without the offer; when all that was asked over it before is answered, for nobody would see to that any more.
 */
export function serveAsPlain(
  server: Server,
  request: IncomingMessage,
  rest: Buffer,
  whenAnswered: WhenAnswered,
): void {
  const { socket } = request
  // Nobody else listens by now, and an error would end the process.
  const ignore = (): void => {}
  socket.on('error', ignore)
  whenAnswered(socket, () => {
    socket.off('error', ignore)
    // Of those that listen from before; the server adds its own again.
    socket.removeAllListeners('pause').removeAllListeners('resume')
    // For the next request, and not for the answer to this one.
    socket.setTimeout(0)
    socket.unshift(Buffer.concat([withoutOffer(request), rest]))
    server.emit('connection', socket)
  })
}

function withoutOffer({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]!.toLowerCase() !== 'upgrade') lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`)
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
