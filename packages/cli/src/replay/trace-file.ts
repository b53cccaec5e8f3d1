import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { reasonOf, WeftError } from '@weft/core'
import { parseTraces, type Trace } from './traces.js'

/** Three fan-outs that were written for `weft demo`. */
export const SAMPLE_TRACES = fileURLToPath(new URL('../../samples/fan-outs.jsonl', import.meta.url))

/** Reads a file of recorded runs, one a line. @throws WEFT_FILE_INVALID, naming the line */
export async function readTraces(file: string): Promise<Trace[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const reason = `${file} cannot be read: ${reasonOf(error)}`
    throw new WeftError('WEFT_FILE_INVALID', reason, 'check the path', { file })
  }
  return parseTraces(text, file)
}
