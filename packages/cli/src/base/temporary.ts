import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reasonOf, WeftError } from '@weft/core'

/** A new directory for what is thrown away at the end. @throws WEFT_STORE_FAILED */
export function temporaryDirectory(prefix: string): string {
  try {
    return mkdtempSync(join(tmpdir(), prefix))
  } catch (error) {
    throw new WeftError(
      'WEFT_STORE_FAILED',
      `no directory can be made among the temporary files: ${reasonOf(error)}`,
      'set TMPDIR to a directory that this process may write to',
    )
  }
}
