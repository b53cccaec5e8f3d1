import { writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'

/** A promise about a row, and whether this run kept it. */
export interface Bar {
  readonly text: string
  readonly met: boolean
}

export interface Row {
  readonly title: string
  readonly unit: string
  /** By column; a column that has no value shows a dash. */
  readonly values: Readonly<Record<string, number | undefined>>
  /** The last column by the first. */
  readonly ratio?: number | undefined
  readonly bar?: Bar
}

export interface Section {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly Row[]
  readonly notes: readonly string[]
}

export interface Report {
  readonly bench: string
  readonly machine: ReturnType<typeof machine>
  readonly sections: readonly Section[]
}

export function makeReport(bench: string, sections: readonly Section[]): Report {
  return { bench, machine: machine(), sections }
}

function machine() {
  const [cpu] = cpus()
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpu?.model ?? 'unknown',
    cpus: cpus().length,
    memoryMb: Math.round(totalmem() / 2 ** 20),
    load: loadavg()[0],
    date: new Date().toISOString(),
  }
}

export function printReport({ bench, machine: { node, cpu, cpus: count, load }, sections }: Report): void {
  console.log(`weft bench ${bench} — Node ${node}, ${count} × ${cpu}, load ${load?.toFixed(2)}`)
  for (const section of sections) printSection(section)
  const bars = sections.flatMap(({ rows }) => rows.flatMap(({ bar }) => (bar ? [bar] : [])))
  if (bars.length > 0) console.log(`\n${bars.filter(({ met }) => met).length} of ${bars.length} bars met`)
}

export function writeJson(file: string, report: Report): void {
  writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`)
}

function printSection({ title, columns, rows, notes }: Section): void {
  const hasRatio = rows.some(row => row.ratio !== undefined)
  const hasBars = rows.some(row => row.bar !== undefined)
  const head = ['', ...columns, ...(hasRatio ? ['ratio'] : []), ...(hasBars ? ['bar', ''] : [])]
  const lines = rows.map(row => [
    row.unit === '' ? row.title : `${row.title}, ${row.unit}`,
    ...columns.map(column => format(row.values[column])),
    ...(hasRatio ? [row.ratio === undefined ? '' : `${row.ratio.toFixed(2)} ×`] : []),
    ...(hasBars ? [row.bar?.text ?? '', verdictOf(row.bar)] : []),
  ])
  const widths = head.map((_, index) => Math.max(...[head, ...lines].map(line => line[index]!.length)))
  console.log(`\n${title}`)
  for (const line of [head, ...lines]) {
    const cells = line.map((cell, index) =>
      index === 0 || index > columns.length ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!),
    )
    console.log(`  ${cells.join('  ').trimEnd()}`)
  }
  for (const note of notes) console.log(`  · ${note}`)
}

function verdictOf(bar: Bar | undefined): string {
  return bar === undefined ? '' : bar.met ? 'met' : 'MISSED'
}

function format(value: number | undefined): string {
  if (value === undefined) return '–'
  if (value >= 1_000) return Math.round(value).toLocaleString('en')
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
