import { decodeUtf8 } from '../base/bytes.js'
import { reasonOf, WeftError } from '../base/errors.js'

/**
 * The columns of an Automerge chunk, row by row: https://automerge.org/automerge-binary-format-spec/. A run of a million
 * rows takes three bytes, so the reader is told how many rows there may be before it makes room for any.
 */
export type Column = Int32Array

/** Where a column has nothing. */
export const NOTHING = -0x80000000
const VALUE_MAX = 0x7fffffff

export class ColumnReader {
  constructor(
    readonly bytes: Uint8Array,
    public at: number,
    readonly end: number,
  ) {}

  /** Unsigned LEB128, in its shortest form. */
  uleb(): number {
    let value = 0
    for (let scale = 1; scale <= 2 ** 42; scale *= 128) {
      const byte = this.#next()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (byte === 0 && scale > 1) break
        return value
      }
    }
    throw badState('a number in it is broken')
  }

  /** Signed LEB128 of up to 56 bits, in its shortest form. */
  leb(): number {
    let value = 0
    let before = 0
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = this.#next()
      if (byte < 0x80) {
        const repeats = byte === (before < 0x40 ? 0 : 0x7f)
        if (scale > 1 && repeats) break
        return value + (byte < 0x40 ? byte : byte - 0x80) * scale
      }
      before = byte & 0x7f
      value += before * scale
    }
    throw badState('a number in it is broken')
  }

  /** Passes over so many bytes; returns where they begin. */
  skip(length: number): number {
    if (this.at + length > this.end) throw badState('it ends early')
    this.at += length
    return this.at - length
  }

  /** Passes over a text; returns how long it is, and where it begins. */
  text(): { at: number; length: number } {
    const length = this.uleb()
    const at = this.skip(length)
    checkText(this.bytes, at, this.at)
    return { at, length }
  }

  #next(): number {
    if (this.at >= this.end) throw badState('it ends early')
    return this.bytes[this.at++]!
  }
}

/** How many rows a column of numbers has, as its runs say. */
export function countRows(reader: ColumnReader): number {
  let rows = 0
  eachRun(reader, Number.MAX_SAFE_INTEGER, (run, length) => {
    if (run > 0) reader.uleb()
    else if (run < 0) for (let i = 0; i < length; i++) reader.uleb()
    rows += length
  })
  return rows
}

export function readNumbers(reader: ColumnReader, rows: number): Column {
  return readRuns(reader, rows, () => {
    const value = reader.uleb()
    if (value > VALUE_MAX) throw badState(`${value} in a column is out of range`)
    return value
  })
}

/** Numbers that are told as differences from the one before. */
export function readDeltas(reader: ColumnReader, rows: number): Column {
  const column = readRuns(reader, rows, () => {
    const value = reader.leb()
    if (Math.abs(value) > VALUE_MAX) throw badState(`a step of ${value} in a column is out of range`)
    return value
  })
  let value = 0
  for (let row = 0; row < rows; row++) {
    if (column[row] === NOTHING) continue
    value += column[row]!
    if (value < 0 || value > VALUE_MAX) throw badState(`${value} in a column is out of range`)
    column[row] = value
  }
  return column
}

/** Texts by their lengths in bytes. */
export function readTexts(reader: ColumnReader, rows: number): Column {
  return readRuns(reader, rows, () => {
    const { at, length } = reader.text()
    if (length === PROTO.length && PROTO.every((byte, i) => reader.bytes[at + i] === byte))
      throw badState('it has the key "__proto__", which JSON cannot carry')
    return length
  })
}

/** The texts themselves; undefined where there is none. */
export function readKeys(reader: ColumnReader, rows: number): (string | undefined)[] {
  if (reader.at === reader.end) return new Array<undefined>(rows).fill(undefined)
  const texts: string[] = []
  const column = readRuns(reader, rows, () => {
    const { at, length } = reader.text()
    return texts.push(decodeUtf8(reader.bytes.subarray(at, at + length))) - 1
  })
  return Array.from(column, index => texts[index])
}

const PROTO = [...'__proto__'].map(char => char.charCodeAt(0))

/** Runs of false and true in turn. */
export function readFlags(reader: ColumnReader, rows: number): Uint8Array {
  const column = new Uint8Array(rows)
  let row = 0
  for (let flag = 0; reader.at < reader.end; flag = 1 - flag) {
    const length = reader.uleb()
    if (row + length > rows || (length === 0 && row > 0)) throw unequal()
    column.fill(flag, row, row + length)
    row += length
  }
  if (row !== rows) throw unequal()
  return column
}

export function checkText(bytes: Uint8Array, start: number, end: number): void {
  try {
    decodeUtf8(bytes.subarray(start, end))
  } catch (thrown) {
    throw badState(`a text in it is not UTF-8: ${reasonOf(thrown)}`)
  }
}

function readRuns(reader: ColumnReader, rows: number, value: () => number): Column {
  const column = new Int32Array(rows).fill(NOTHING)
  let row = 0
  eachRun(reader, rows, (run, length) => {
    if (run > 0) column.fill(value(), row, row + length)
    else if (run < 0) for (let i = 0; i < length; i++) column[row + i] = value()
    row += length
  })
  if (row !== rows) throw unequal()
  return column
}

/** @param take reads what belongs to a run of rows: one value for all if `run` is above 0, one for each below, none at 0 */
function eachRun(reader: ColumnReader, rows: number, take: (run: number, length: number) => void): void {
  let left = rows
  while (reader.at < reader.end) {
    const run = reader.leb()
    const length = run === 0 ? reader.uleb() : Math.abs(run)
    left -= length
    if (length === 0 || left < 0) throw unequal()
    take(run, length)
  }
}

function unequal(): WeftError {
  return badState('its columns differ in length')
}

export function badState(reason: string): WeftError {
  return new WeftError(
    'WEFT_CHANGE_STATE',
    `the state part of the change is refused: ${reason}`,
    'the author must write state through its own Weft handle; nothing of this change was applied',
  )
}
