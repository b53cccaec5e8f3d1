import type { Entry, Json } from '@weft/core'

/** Shown wherever an id is named for a person. */
const SHORT_ID = 8
const ELLIPSIS = '…'

// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it is for
const UNPRINTABLE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** What agents wrote may hold escape sequences; a terminal must not obey them. Line ends stay. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, ' ')
}

/** On one line, at most `length` characters. */
export function clip(text: string, length: number): string {
  const line = printable(text).replace(/\s+/g, ' ').trim()
  return line.length <= length ? line : line.slice(0, Math.max(0, length - 1)) + ELLIPSIS
}

/** ISO 8601, where it is a date: an author may put any number into a header. */
export function formatTime(time_ms: number): string {
  const date = new Date(time_ms)
  return Number.isNaN(date.getTime()) ? String(time_ms) : date.toISOString()
}

export function shortId(id: string): string {
  const [change = '', index] = id.split('.')
  return change.slice(0, SHORT_ID) + (index === undefined ? '' : `.${index}`)
}

export function plural(count: number, noun: string): string {
  const many = /[^aeiou]y$/.test(noun)
    ? `${noun.slice(0, -1)}ies`
    : /(?:s|ch)$/.test(noun)
      ? `${noun}es`
      : `${noun}s`
  return `${count} ${count === 1 ? noun : many}`
}

/** The text in an entry's value: what a person would read first. */
export function wordsOf({ value, erased }: Pick<Entry, 'value'> & { readonly erased?: unknown }): string {
  if (erased) return '(erased)'
  if (typeof value === 'string') return value
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const fields = value as Readonly<Record<string, unknown>>
    for (const name of ['text', 'content', 'name']) {
      const field = fields[name]
      if (typeof field === 'string' && field !== '') return field
    }
  }
  return JSON.stringify(value)
}

/** `message ×3, tool_call`: each kind once, with its count. */
export function countKinds(kinds: Iterable<string>): string {
  const counts = new Map<string, number>()
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return [...counts].map(([kind, count]) => (count === 1 ? kind : `${kind} ×${count}`)).join(', ')
}

export function formatJson(value: Json | undefined): string {
  return value === undefined ? '(nothing)' : printable(JSON.stringify(value, null, 2))
}

/** Cells padded so that columns stand in line; the last one stays as it is. */
export function table(rows: readonly (readonly string[])[], gap = '  '): string[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length)
    })
  }
  return rows.map(row =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!))).join(gap),
  )
}
