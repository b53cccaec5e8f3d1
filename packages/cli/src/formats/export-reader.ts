import { createHash } from 'node:crypto'
import { checkAnyWorkflow, digest, isChangeId } from '@weft/core'
import { invalid, readLines } from '../base/lines.js'
import { plural } from '../base/text.js'
import { type ContextCopy, sha256 } from '../logs/context-copy.js'
import { LogCheck } from '../logs/log-check.js'
import { EXPORT_VERSION, type ExportHeader } from './export-format.js'

export interface CheckedExport {
  readonly header: ExportHeader
  readonly check: LogCheck
}

type Fields = Readonly<Record<string, unknown>>
/** Told now and then how far the reading is. */
export type OnProgress = (at: string) => void

const PROGRESS_EVERY = 500

/** Reads an export and checks all of it, going on after damage. @throws WEFT_FILE_INVALID when it is no export at all */
export async function checkExport(path: string, onProgress: OnProgress = () => {}): Promise<CheckedExport> {
  const sum = createHash('sha256')
  let header: ExportHeader | undefined
  let check: LogCheck | undefined
  let ended = false
  let number = 0
  for await (const line of readLines(path)) {
    number++
    const at = `line ${number}`
    const fields = parse(line)
    if (header === undefined || check === undefined) {
      header = readHeader(path, fields)
      check = new LogCheck(header.workflow)
    } else if (ended) {
      check.problem(at, 'WEFT_FILE_INVALID', 'there is something after the end')
    } else if (fields?.weft === 'end') {
      ended = true
      if (fields.sha256 !== sum.copy().digest('hex')) {
        check.problem(
          at,
          'WEFT_FILE_INVALID',
          'the checksum is not that of what stands before it: the file was altered',
        )
      }
    } else {
      readRecord(check, at, fields)
    }
    sum.update(line)
    if (number % PROGRESS_EVERY === 0) onProgress(`${number} lines`)
  }
  if (header === undefined || check === undefined) throw invalid(path, 'the file is empty')
  if (!ended)
    check.problem(`line ${number}`, 'WEFT_FILE_INVALID', 'the end is missing: the file was cut short')
  check.expect('header', header)
  if (check.problems.length === 0 && digest(check.set, sha256) !== header.digest) {
    check.problem('header', 'WEFT_FILE_INVALID', 'the digest is not that of the changes')
  }
  return { header, check }
}

/** The context in an export, if all of it is sound. @throws WEFT_FILE_INVALID */
export async function readExport(
  path: string,
  onProgress?: OnProgress,
): Promise<ContextCopy & CheckedExport> {
  const { header, check } = await checkExport(path, onProgress)
  const { problems, problemCount } = check.verdict()
  const first = problems[0]
  if (first !== undefined) {
    const more = problemCount === 1 ? '' : ` (${plural(problemCount, 'problem')} in all)`
    throw invalid(
      path,
      `${first.at}: ${first.message}${more}`,
      '`weft verify --file` lists all of it; get an undamaged copy, or export it again',
    )
  }
  return { workflow: header.workflow, set: check.set, index: check.index, header, check }
}

function parse(line: Buffer): Fields | undefined {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : undefined
  } catch {
    return undefined
  }
}

function readHeader(path: string, fields: Fields | undefined): ExportHeader {
  if (fields?.weft !== 'export') throw invalid(path, 'line 1 is not the header of an export')
  const { version, workflow, count, heads, digest: sum } = fields
  if (version !== EXPORT_VERSION) {
    throw invalid(
      path,
      `it is an export of version ${String(version)}; this weft reads version ${EXPORT_VERSION}`,
      'use a weft that knows that version',
    )
  }
  const whole =
    Number.isSafeInteger(count) && Array.isArray(heads) && heads.every(isChangeId) && typeof sum === 'string'
  if (!whole) throw invalid(path, 'its header lacks count, heads or digest')
  return {
    weft: 'export',
    version: EXPORT_VERSION,
    workflow: checkAnyWorkflow(workflow),
    count: count as number,
    heads,
    digest: sum,
  }
}

function readRecord(check: LogCheck, at: string, fields: Fields | undefined): void {
  const { id, bytes, position } = fields ?? {}
  const placed = position === undefined || (Number.isSafeInteger(position) && (position as number) > 0)
  if (!isChangeId(id) || typeof bytes !== 'string' || !placed) {
    check.problem(at, 'WEFT_FILE_INVALID', 'it is not a change: { "id", "bytes", "position" }')
    return
  }
  const decoded = Buffer.from(bytes, 'base64')
  if (decoded.toString('base64') !== bytes) {
    check.problem(at, 'WEFT_FILE_INVALID', 'its bytes are not base64')
    return
  }
  check.record({ at, id, bytes: decoded, position: position as number | undefined })
}
