import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Problem, problemHeaders, problemText } from './problem.js'

/** How long somebody who was answered may go on sending. */
const LINGER_MS = 5_000

/** Answers with a problem, at once; whoever is still sending reads it, too. */
export function answerProblem(request: IncomingMessage, response: ServerResponse, problem: Problem): void {
  if (response.headersSent || response.destroyed) return
  const text = problemText(problem)
  response.writeHead(problem.status, {
    ...problemHeaders(problem),
    'content-length': Buffer.byteLength(text),
  })
  response.write(text)
  readAway(request, () => response.end())
}

/**
 * Throws away what still comes of a request, and calls back at its end: a connection that is closed before is reset, and
 * what was answered is lost with it. Who sends without end is cut off.
 */
export function readAway(request: IncomingMessage, then: () => void): void {
  if (request.readableEnded || request.destroyed) {
    then()
    return
  }
  const cut = setTimeout(() => request.socket.destroy(), LINGER_MS)
  const ended = (): void => {
    clearTimeout(cut)
    request.off('end', ended).off('close', ended)
    then()
  }
  request.once('end', ended).once('close', ended)
  request.resume()
}
