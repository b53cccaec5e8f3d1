import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  request as requestOf,
  type ServerResponse,
} from 'node:http'
import { WeftError } from '@weft/core'
import { answerProblem, readAway } from './early-answer.js'
import { problemOf } from './problem.js'

const LOOPBACK = '127.0.0.1'
/** Methods that a body is forwarded of: Node frames none of the others. */
const WITH_BODY = ['POST', 'PUT', 'PATCH']
/** Of one connection, and not of what is asked over it (RFC 9110, 7.6.1). */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'host',
]

/**
 * Forwards requests to a gateway on this machine, and what it answers back, as it comes; neither is held here. Each goes
 * over a connection of its own: one that is kept can be closed by the other side just as a write is sent on it.
 */
export function gatewayDoor(portOf: () => Promise<number>): RequestListener {
  return (request, response) => {
    // Before anything is waited for: a socket that fails without a listener would end the process.
    request.on('error', () => {})
    response.on('error', () => {})
    void answer(request, response, portOf)
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  portOf: () => Promise<number>,
): Promise<void> {
  try {
    forward(request, response, await portOf())
  } catch (error) {
    answerProblem(request, response, problemOf(error))
  }
}

function forward(request: IncomingMessage, response: ServerResponse, port: number): void {
  if (response.destroyed) return
  const { method = 'GET', url: path = '/', headers } = request
  const hasBody = WITH_BODY.includes(method)
  const upstream = requestOf({
    host: LOOPBACK,
    port,
    method,
    path,
    headers: { ...endToEnd(headers, hasBody), host: `${LOOPBACK}:${port}` },
    agent: false,
  })
  let isAnswered = false
  upstream.on('response', answer => {
    isAnswered = true
    response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers, true))
    answer.pipe(response, { end: false })
    answer.once('end', () => {
      // It may have been answered before all of it was sent.
      request.unpipe(upstream)
      upstream.destroy()
      readAway(request, () => response.end())
    })
    answer.on('error', () => {})
    answer.once('close', () => {
      if (!answer.complete) request.socket.destroy()
    })
  })
  upstream.on('error', () => {
    // One that is answered already may be read no further: then its answer says what became of it.
    if (!isAnswered) answerProblem(request, response, problemOf(brokenOff()))
  })
  response.once('close', () => upstream.destroy())
  if (hasBody) {
    request.pipe(upstream)
  } else {
    request.resume()
    upstream.end()
  }
}

function endToEnd(headers: IncomingHttpHeaders, hasBody: boolean): IncomingHttpHeaders {
  const named = (headers.connection ?? '').toLowerCase().split(/\s*,\s*/)
  const left = new Set([...HOP_BY_HOP, ...named, ...(hasBody ? [] : ['content-length'])])
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !left.has(name)))
}

function brokenOff(): WeftError {
  return new WeftError(
    'WEFT_GATEWAY_DOWN',
    'the gateway broke off while it was asked',
    'ask again in a moment; of a write that was under way read first whether it was done',
  )
}
