import { type Command, Option } from 'commander'
import { usage } from '../base/failure.js'
import { SETTINGS, type Setting, type SettingName } from './settings.js'

/** Declares settings as flags of a command. Defaults are not commander's affair: it could not tell them from flags. */
export function withSettings(command: Command, ...names: readonly SettingName[]): Command {
  for (const name of names) {
    const setting: Setting<unknown> = SETTINGS[name]
    const fallback = setting.fallback === undefined ? '' : `, else ${defaultText(name, setting)}`
    command.addOption(new Option(setting.flag, `${setting.help} (${setting.env}${fallback})`))
  }
  if (command.options.some(({ long }) => long === '--config')) return command
  return command.option('--config <file>', 'config file (WEFT_CONFIG, else weft.config.json if there is one)')
}

/** A verb that only gathers others, which are registered on what this returns. */
export function verbGroup(program: Command, name: string, description: string): Command {
  const group = program.command(name).description(description)
  return group.action(() => {
    const verbs = group.commands.map(verb => verb.name())
    throw usage(`${name} does nothing by itself`, `use weft ${name} ${verbs.join(', ')}`)
  })
}

/** What a verb needs that talks to a running peer. */
export function withPeer(command: Command): Command {
  return withSettings(command, 'url', 'token', 'timeout')
}

/** What a verb needs that reads a context, from a running peer or from an export. */
export function withSource(command: Command): Command {
  return withPeer(command.option('--file <export>', 'read an export instead of asking a peer'))
}

export function withJson(command: Command, what = 'print one JSON object'): Command {
  return command.option('--json', `${what}; errors too are JSON then`)
}

/** Examples at the end of a verb's help: what to type, and what it does. */
export function withExamples(command: Command, ...examples: readonly (readonly [string, string])[]): Command {
  const lines = examples.map(([line, does]) => `  $ ${line}\n      ${does}`)
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
}

function defaultText(name: SettingName, { fallback }: Setting<unknown>): string {
  return name === 'timeout' ? `${String(fallback)}s` : String(fallback)
}
