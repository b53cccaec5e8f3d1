import type { Command } from 'commander'
import { EXIT, type ExitCode, usage } from '../base/failure.js'
import type { Output } from '../base/output.js'
import { readConfigFile } from '../settings/config-file.js'
import { flagName, type Resolved, resolveSettings, type Settings } from '../settings/resolve-settings.js'
import { CONFIG_ENV, SETTINGS, type SettingName } from '../settings/settings.js'

/** What every command gets of the world: where it runs, how it speaks, how it ends. */
export class Cli {
  /** What the process exits with when the command returns; what a command throws has the last word. */
  exitCode: ExitCode = EXIT.ok

  constructor(
    readonly output: Output,
    readonly env: NodeJS.ProcessEnv,
    readonly cwd: string,
    /** Under `--json` results and errors are JSON. */
    readonly json: boolean,
    readonly version: string,
  ) {}

  /** The settings in force for a command. @throws WEFT_USAGE */
  settings(command: Command): Settings {
    const flags = command.opts()
    const named = typeof flags.config === 'string' ? flags.config : this.env[CONFIG_ENV] || undefined
    return resolveSettings({ flags, env: this.env, file: readConfigFile(named, this.cwd) })
  }
}

/** The value of a setting that a command cannot do without. @throws WEFT_USAGE */
export function required<Name extends SettingName>(
  settings: Settings,
  name: Name,
): NonNullable<Settings[Name]>['value'] {
  const resolved = settings[name] as Resolved<NonNullable<Settings[Name]>['value']> | undefined
  if (resolved !== undefined) return resolved.value
  const { env, help } = SETTINGS[name]
  const flag = flagName(SETTINGS[name])
  throw usage(
    `${flag} is missing: the ${help}`,
    `pass ${flag}, set ${env}, or write ${JSON.stringify(name)} into weft.config.json`,
  )
}
