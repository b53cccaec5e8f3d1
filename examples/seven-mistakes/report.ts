import { table } from '@weft/cli'
import type { Report, Shown, ShownMistake } from './run.js'

/** Puts a text into a colour, or leaves it as it is. */
export type Paint = (colour: 'red' | 'green' | 'bold', text: string) => string

const COLUMNS = 100
const HANGING = 2
const COLOURS = { corrupted: 'red', holds: 'green', failed: 'red' } as const

export const INTRODUCTION = [
  'Seven ways to lose the context of agents: each the usual way, on a shared key-value store, and with',
  'Weft, on the same recorded texts and with the same interleaving. Nothing throws: look at what is read.',
  '',
]

/** One mistake as a person reads it: the usual way, Weft's, and what was seen of each. */
export function mistakeLines(shown: ShownMistake, paint: Paint): string[] {
  const { number, title, usual, cure, laws, naive, weft } = shown
  return [
    `${paint('bold', `${number}. ${title}`)} (${laws.join(', ')})`,
    ...indented(`Usual: ${usual}.`, 3),
    ...seen(naive, paint),
    ...indented(`Weft: ${cure}.`, 3),
    ...seen(weft, paint),
    '',
  ]
}

/** All of it at a glance, and what it comes to. */
export function summaryLines({ mistakes, traces, workflow, ok }: Report, paint: Paint): string[] {
  const rows = mistakes.map(({ number, title, naive, weft }) => [
    String(number),
    title,
    naive.verdict,
    weft.verdict,
  ])
  const wrong = mistakes.filter(mistake => !mistake.ok).map(({ number }) => number)
  const total = ok
    ? paint('green', `All ${mistakes.length} corrupt the context without Weft, and none does with it.`)
    : paint('red', `Not as promised: ${wrong.join(', ') || 'nothing was shown'}.`)
  return [
    ...table([['', 'mistake', 'usual way', 'Weft'], ...rows]),
    '',
    `Played on ${workflow} of ${traces}.`,
    total,
  ]
}

function seen({ verdict, says }: Shown, paint: Paint): string[] {
  const [first = '', ...rest] = indented(`${verdict}: ${says}.`, 5)
  return [first.replace(verdict, paint(COLOURS[verdict], verdict)), ...rest]
}

/** Words in lines of `COLUMNS`, the second and all others set in further; a word that is longer stands on its own. */
function indented(text: string, indent: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && indent + HANGING + line.length + 1 + word.length > COLUMNS) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].map((each, index) => ' '.repeat(index === 0 ? indent : indent + HANGING) + each)
}
