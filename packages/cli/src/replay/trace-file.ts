import { constants } from 'node:buffer'
import { readFile } from 'node:fs/promises'
import { reasonOf, WeftError } from '@weft/core'
import { badFile, badLine, parseTraces, type Trace } from './traces.js'

const LINE_END = 0x0a
const GZIP = Buffer.from([0x1f, 0x8b])

/** Reads a file of recorded runs, one a line. @throws WEFT_FILE_INVALID, naming the line */
export async function readTraces(file: string): Promise<Trace[]> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (error) {
    const reason = `${file} cannot be read: ${reasonOf(error)}`
    throw new WeftError('WEFT_FILE_INVALID', reason, 'check the path', { file })
  }
  if (bytes.subarray(0, GZIP.length).equals(GZIP))
    throw badFile(file, 'it is compressed', 'unpack it first: gunzip -k FILE')
  if (bytes.length > constants.MAX_STRING_LENGTH)
    throw badFile(
      file,
      `it has ${bytes.length} bytes, more than can be read at once`,
      'split it: split -l 1000 FILE',
    )
  return parseTraces(textOf(bytes, file), file)
}

/** What is not UTF-8 is refused: to go on with signs that nobody wrote would be the quiet kind of damage. */
function textOf(bytes: Buffer, file: string): string {
  try {
    return decode(bytes)
  } catch {
    const line = firstLineThatIsNone(bytes)
    throw badLine(file, line, 'it is not UTF-8', 'write the file as UTF-8: iconv -f ENCODING -t UTF-8 FILE')
  }
}

function firstLineThatIsNone(bytes: Buffer): number {
  let number = 1
  for (let start = 0; start < bytes.length; number++) {
    const end = bytes.indexOf(LINE_END, start)
    const next = end < 0 ? bytes.length : end + 1
    try {
      decode(bytes.subarray(start, next))
    } catch {
      return number
    }
    start = next
  }
  return number
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}
