import { readFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { reasonOf } from '@weft/core'
import { usage } from '../base/failure.js'
import type { SettingSources } from './resolve-settings.js'

export const CONFIG_FILE = 'weft.config.json'

/**
 * The config file named, which must be there, or `weft.config.json` in the working directory, if it is.
 * @throws WEFT_USAGE
 */
export function readConfigFile(named: string | undefined, cwd: string): SettingSources['file'] {
  const path = resolve(cwd, named ?? CONFIG_FILE)
  const name = relative(cwd, path) || path
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (named === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw usage(`the config file ${name} cannot be read: ${reasonOf(error)}`, 'check the path and its rights')
  }
  try {
    return { name, values: JSON.parse(text.replace(/^\ufeff/, '')) as unknown }
  } catch (error) {
    throw usage(`the config file ${name} is not JSON: ${reasonOf(error)}`, 'correct it, or remove it')
  }
}
