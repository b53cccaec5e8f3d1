import type { Command } from 'commander'
import { usage } from '../base/failure.js'
import { plural, shortId } from '../base/text.js'
import { withExamples, withJson, withSource } from '../settings/options.js'
import { exportHeader, exportLines } from '../formats/export-format.js'
import { writeWhole } from '../cli/aside.js'
import type { Cli } from '../cli/cli.js'
import { readContext } from '../peers/source.js'

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('export')
    .description(
      'Write all changes of a context, byte for byte, as JSON lines that `weft import` and `verify` read.',
    )
    .argument('<workflow>', 'workflow to export')
    .option('-o, --output <file>', 'file to write (else stdout)')
    .action(async (workflow: string, { output: path }: { output?: string }, self: Command) => {
      if (path === undefined && cli.json) {
        throw usage(
          'an export on stdout is JSON lines already',
          'leave --json out, or write to a file with -o',
        )
      }
      const copy = await readContext(cli, self, workflow)
      if (copy.set.size === 0)
        throw usage(`${workflow} has nothing to export`, 'check its name: `weft show` lists what it holds')
      const header = exportHeader(copy)
      const lines = exportLines(copy, header)
      if (path === undefined) {
        for (const line of lines) cli.output.line(line.trimEnd())
        return
      }
      await writeWhole(path, lines)
      const { count, digest } = header
      if (cli.json) cli.output.data({ file: path, workflow, count, digest })
      else cli.output.note(`${plural(count, 'change')} of ${workflow} in ${path}, digest ${shortId(digest)}`)
    })
  withExamples(
    withJson(withSource(command), 'with -o: print one JSON object'),
    ['weft export wf-42 -o wf-42.jsonl', 'to a file'],
    ['weft export wf-42 | gzip > wf-42.jsonl.gz', 'to another program'],
  )
}
