import type { IncomingMessage } from 'node:http'
import { LIMITS, WeftError } from '@weft/core'

/**
 * The whole body of a request. What is too much of it is read and thrown away: whoever is still sending would not read
 * the refusal else.
 * @throws WEFT_REQUEST_TOO_LARGE · WEFT_ABORTED when it breaks off
 */
export function readBody(request: IncomingMessage, bytes_max: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length'] ?? 0) > bytes_max) reject(tooLarge(bytes_max))
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= bytes_max) chunks.push(chunk)
      else reject(tooLarge(bytes_max))
    })
    request.once('end', () => resolve(Buffer.concat(chunks)))
    request.once('close', () =>
      reject(new WeftError('WEFT_ABORTED', 'the request broke off', 'send it again')),
    )
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
