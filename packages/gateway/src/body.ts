import type { IncomingMessage } from 'node:http'
import { LIMITS, WeftError } from '@weft/core'

/**
 * The whole body of a request. What is too much of it is read and thrown away: whoever is still sending would not read
 * the refusal else.
 * @param take told of the bytes as they are kept; may throw
 * @throws WEFT_REQUEST_TOO_LARGE · WEFT_ABORTED when it breaks off, and what `take` throws
 */
export function readBody(
  request: IncomingMessage,
  bytes_max: number,
  take: (bytes: number) => void,
): Promise<Buffer> {
  let chunks: Buffer[] | undefined = []
  let bytes = 0
  return new Promise((resolve, reject) => {
    const refuse = (error: unknown): void => {
      chunks = undefined
      reject(error)
    }
    const keep = (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes > bytes_max) throw tooLarge(bytes_max)
      take(chunk.length)
      chunks?.push(chunk)
    }
    if (Number(request.headers['content-length'] ?? 0) > bytes_max) refuse(tooLarge(bytes_max))
    request.on('data', (chunk: Buffer) => {
      if (chunks === undefined) return
      try {
        keep(chunk)
      } catch (error) {
        refuse(error)
      }
    })
    request.once('end', () => resolve(Buffer.concat(chunks ?? [])))
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

function brokenOff(): WeftError {
  return new WeftError('WEFT_ABORTED', 'the request broke off', 'send it again')
}
