import { WeftError } from '@weft/core'
import { usage } from '../base/failure.js'
import { nearest } from '../base/nearest.js'
import { SETTING_NAMES, SETTINGS, type Setting, type SettingName, type SettingValue } from './settings.js'

/** Where a value came from, the strongest first. */
export const ORIGINS = ['flag', 'env', 'file', 'default'] as const
export type Origin = (typeof ORIGINS)[number]

export interface SettingSources {
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** A config file that was read: its name and what it says. */
  readonly file?: { readonly name: string; readonly values: unknown } | undefined
}

export interface Resolved<T> {
  readonly value: T
  readonly origin: Origin
  /** For people: `--port`, `WEFT_PORT`, `weft.config.json` or `default`. */
  readonly from: string
}

export type Settings = { readonly [Name in SettingName]: Resolved<SettingValue<Name>> | undefined }

/** Every setting by precedence: flag, then environment, then config file, then default. @throws WEFT_USAGE */
export function resolveSettings(sources: SettingSources): Settings {
  const file = checkFile(sources.file)
  const resolved: Partial<Record<SettingName, Resolved<unknown> | undefined>> = {}
  for (const name of SETTING_NAMES) resolved[name] = resolveOne(name, sources, file)
  return resolved as Settings
}

function resolveOne(
  name: SettingName,
  { flags, env, file }: SettingSources,
  values: Readonly<Record<string, string>>,
): Resolved<unknown> | undefined {
  const setting: Setting<unknown> = SETTINGS[name]
  const read = (text: string, origin: Origin, from: string): Resolved<unknown> => {
    try {
      return { value: setting.parse(text), origin, from }
    } catch (thrown) {
      if (!(thrown instanceof WeftError)) throw thrown
      throw new WeftError(thrown.code, `${from}: ${thrown.message}`, thrown.cure)
    }
  }
  const flag = flags[name]
  if (typeof flag === 'string') return read(flag, 'flag', flagName(setting))
  // An empty variable is how shells say "not set".
  const variable = env[setting.env]
  if (variable) return read(variable, 'env', setting.env)
  const text = values[name]
  if (text !== undefined) return read(text, 'file', `${name} in ${file?.name}`)
  if (setting.fallback === undefined) return undefined
  return { value: setting.fallback, origin: 'default', from: 'default' }
}

export function flagName(setting: Pick<Setting<unknown>, 'flag'>): string {
  return setting.flag.split(' ')[0]!
}

/** The values of a config file as text. A key that nobody knows is refused: it is a setting that would not be in force. */
function checkFile(file: SettingSources['file']): Record<string, string> {
  if (file === undefined) return {}
  const { name, values } = file
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw usage(`${name} does not hold a JSON object`, 'write { "url": "ws://host:port", … }')
  }
  const texts: Record<string, string> = {}
  for (const [key, value] of Object.entries(values)) {
    if (!SETTING_NAMES.includes(key as SettingName)) {
      const meant = nearest(key, SETTING_NAMES)
      throw usage(
        `${name} has an unknown key ${JSON.stringify(key)}`,
        meant ? `did you mean ${JSON.stringify(meant)}?` : `known are ${SETTING_NAMES.join(', ')}`,
      )
    }
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw usage(`${key} in ${name} is neither a text nor a number`, `correct ${key}`)
    }
    texts[key] = String(value)
  }
  return texts
}
