import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { LIMITS, WeftError } from '@weft/core'
import type { GatewayLimits } from './limits.js'

/**
 * The whole body of a request.
 * @param take told of the bytes as they are kept; may throw
 * @throws WEFT_REQUEST_TOO_LARGE · WEFT_REQUEST_MALFORMED · WEFT_ABORTED when it breaks off, or does not come in time, and what `take` throws
 */
export function readBody(
  request: IncomingMessage,
  { body_bytes_max, body_ms }: Pick<GatewayLimits, 'body_bytes_max' | 'body_ms'>,
  take: (bytes: number) => void,
): Promise<Buffer> {
  let chunks: Buffer[] | undefined = []
  let bytes = 0
  return new Promise((resolve, reject) => {
    const refuse = (error: unknown): void => {
      clearTimeout(late)
      chunks = undefined
      reject(error)
    }
    const late = setTimeout(() => refuse(tooSlow(body_ms)), body_ms)
    const keep = (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes > body_bytes_max) throw tooLarge(body_bytes_max)
      take(chunk.length)
      chunks?.push(chunk)
    }
    if (Number(request.headers['content-length'] ?? 0) > body_bytes_max) refuse(tooLarge(body_bytes_max))
    request.on('data', (chunk: Buffer) => {
      if (chunks === undefined) return
      try {
        keep(chunk)
      } catch (error) {
        refuse(error)
      }
    })
    request.once('end', () => {
      clearTimeout(late)
      const body = Buffer.concat(chunks ?? [])
      // Whoever decodes it puts other characters in the place of what is none, and would store those.
      if (isUtf8(body)) resolve(body)
      else refuse(noText())
    })
    request.once('close', () => refuse(brokenOff()))
  })
}

function tooLarge(bytes_max: number): WeftError {
  return new WeftError(
    'WEFT_REQUEST_TOO_LARGE',
    `a body has at most ${bytes_max} bytes`,
    `write in several changes; each has at most ${LIMITS.change_bytes_max} bytes`,
    { bytes_max },
  )
}

function noText(): WeftError {
  return new WeftError(
    'WEFT_REQUEST_MALFORMED',
    'the body has bytes that are no UTF-8',
    'send JSON in UTF-8; nothing was changed',
  )
}

function tooSlow(body_ms: number): WeftError {
  return new WeftError(
    'WEFT_ABORTED',
    `the body did not come in within ${body_ms} ms`,
    'send it again, without pauses, or write in several changes',
  )
}

function brokenOff(): WeftError {
  return new WeftError('WEFT_ABORTED', 'the request broke off', 'send it again')
}
