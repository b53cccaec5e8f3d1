import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { type Json, reasonOf, WeftError } from '@weft/core'

const STDIN = '-'

/**
 * The value of an overlay: JSON, or a text as the prompt that it is.
 * @param path a file, or `-` for stdin; what is no `.json` and no stdin is a text
 * @throws WEFT_FILE_INVALID
 */
export async function readOverlayValue(
  path: string,
  stdin: NodeJS.ReadableStream,
  isText: boolean,
): Promise<Json> {
  const content = await read(path, stdin)
  if (isText || (path !== STDIN && !path.endsWith('.json'))) return { prompt: content }
  try {
    return JSON.parse(content) as Json
  } catch (error) {
    throw invalid(path, `it is not JSON: ${reasonOf(error)}`, 'correct it, or say that it is a text: --text')
  }
}

async function read(path: string, stdin: NodeJS.ReadableStream): Promise<string> {
  try {
    return path === STDIN ? await text(stdin) : await readFile(path, 'utf8')
  } catch (error) {
    throw invalid(path, `it cannot be read: ${reasonOf(error)}`, 'check the path')
  }
}

function invalid(path: string, reason: string, cure: string): WeftError {
  return new WeftError('WEFT_FILE_INVALID', `${path}: ${reason}`, cure, { file: path })
}
