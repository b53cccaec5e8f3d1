import { createReadStream } from 'node:fs'
import { WeftError } from '@weft/core'

const LINE_END = 0x0a

/** Longer than any change in base64; a file without line ends must not fill the memory. */
const LINE_BYTES_MAX = 4_194_304

/**
 * The lines of a file as bytes, each with its line end, so that what was read can be hashed as it stands.
 * @throws WEFT_FILE_INVALID
 */
export async function* readLines(path: string): AsyncGenerator<Buffer> {
  let rest: Buffer[] = []
  let length = 0
  const take = (piece: Buffer): void => {
    rest.push(piece)
    length += piece.length
    if (length > LINE_BYTES_MAX) throw invalid(path, `a line is longer than ${LINE_BYTES_MAX} bytes`)
  }
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      let start = 0
      for (let end = chunk.indexOf(LINE_END); end >= 0; end = chunk.indexOf(LINE_END, start)) {
        take(chunk.subarray(start, end + 1))
        yield Buffer.concat(rest)
        rest = []
        length = 0
        start = end + 1
      }
      if (start < chunk.length) take(chunk.subarray(start))
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (error instanceof WeftError || code === undefined) throw error
    throw invalid(path, code === 'ENOENT' ? 'there is no such file' : message)
  }
  if (length > 0) yield Buffer.concat(rest)
}

export function invalid(
  path: string,
  reason: string,
  cure = 'check the path, or export it again',
): WeftError {
  return new WeftError('WEFT_FILE_INVALID', `${path}: ${reason}`, cure, { file: path })
}
