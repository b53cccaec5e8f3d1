import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { open, realpath, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isWeftError, reasonOf, WeftError } from '@weft/core'
import { syncDirectory } from '../base/directory.js'
import { DATA_KEY_BYTES, type KeyService } from './key-service.js'

/*
 * A key file is text: on each line a name and the 64 hex digits of a master key, newest first; lines that begin with "#"
 * say what is what. The first key wraps, each unwraps what names it. What is wrapped is the length of the name (1 byte),
 * the name, a random nonce (12), the data key encrypted (32), the tag (16); name and context are authenticated with it.
 */

const ALGORITHM = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
const BYTES_MAX = 65_536
const OTHERS = 0o077
const LINE = /^([A-Za-z0-9._-]{1,64})[ \t]+([0-9a-fA-F]{64})$/
const HEADER = '# Master keys of Weft: a name and 64 hex digits a line. The first encrypts, all decrypt.\n'
const NEW_CURE = 'make a key file with: weft key new --to FILE'

interface MasterKey {
  readonly name: string
  readonly key: Buffer
}

/** The key service of a file that nobody but its owner may read. @throws WEFT_STORE_KEY */
export async function readKeyFile(path: string): Promise<KeyService> {
  const keys = parse(path, await textOf(path))
  return new MasterKeys(path, keys)
}

/**
 * Makes a key file with one new key, or puts a new key before those of one that is there.
 * @returns the name of the key
 * @throws WEFT_STORE_KEY
 */
export async function addMasterKey(path: string, to: 'new file' | 'present file'): Promise<string> {
  const before = to === 'new file' ? '' : await textOf(path)
  if (to === 'present file') parse(path, before)
  const name = `key-${randomBytes(4).toString('hex')}`
  const rest = before.startsWith(HEADER) ? before.slice(HEADER.length) : before
  // Through a link: whoever uses the file by its own name is to have the new key, too.
  const at = to === 'new file' ? path : await realpath(path)
  await writeText(at, `${HEADER}${name} ${randomBytes(DATA_KEY_BYTES).toString('hex')}\n${rest}`, to)
  return name
}

class MasterKeys implements KeyService {
  constructor(
    private readonly path: string,
    private readonly keys: readonly [MasterKey, ...MasterKey[]],
  ) {}

  async wrap(dataKey: Uint8Array, context: string): Promise<Uint8Array> {
    const [{ name, key }] = this.keys
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(ALGORITHM, key, nonce)
    cipher.setAAD(boundTo(name, context))
    const body = cipher.update(dataKey)
    cipher.final()
    return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), nonce, body, cipher.getAuthTag()])
  }

  async unwrap(wrapped: Uint8Array, context: string): Promise<Uint8Array> {
    const nonceAt = 1 + (wrapped[0] ?? 0)
    const name = Buffer.from(wrapped.subarray(1, nonceAt)).toString('latin1')
    const master = this.keys.find(each => each.name === name)
    if (master === undefined) {
      const names = this.keys.map(each => each.name).join(', ')
      throw refused(`${this.path} has no key named ${JSON.stringify(name)}, but ${names}`, WRONG_FILE)
    }
    const [bodyAt, tagAt] = [nonceAt + NONCE_BYTES, wrapped.length - TAG_BYTES]
    try {
      const nonce = wrapped.subarray(nonceAt, bodyAt)
      const decipher = createDecipheriv(ALGORITHM, master.key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(boundTo(name, context))
      decipher.setAuthTag(wrapped.subarray(tagAt))
      const dataKey = decipher.update(wrapped.subarray(bodyAt, tagAt))
      decipher.final()
      return dataKey
    } catch (cause) {
      throw refused(`the key ${name} in ${this.path} is not the one that was used`, WRONG_FILE, cause)
    }
  }
}

const WRONG_FILE = 'pass the key file that the store was made with; without it nobody can read the store'

function boundTo(name: string, context: string): Buffer {
  return Buffer.from(`weft data key\0${name}\0${context}`)
}

function parse(path: string, text: string): [MasterKey, ...MasterKey[]] {
  const keys: MasterKey[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    // What stands there may be a secret.
    const [, name, digits] = LINE.exec(line.trim()) ?? []
    if (name === undefined || digits === undefined)
      throw refused(`line ${index + 1} of ${path} is not a name and 64 hex digits`, NEW_CURE)
    if (keys.some(each => each.name === name))
      throw refused(`${path} has two keys named ${name}`, 'leave the right one')
    keys.push({ name, key: Buffer.from(digits, 'hex') })
  }
  const [first, ...rest] = keys
  if (first === undefined) throw refused(`${path} holds no key`, NEW_CURE)
  return [first, ...rest]
}

async function textOf(path: string): Promise<string> {
  try {
    const handle = await open(path, 'r')
    try {
      const { mode, size } = await handle.stat()
      if (process.platform !== 'win32' && (mode & OTHERS) !== 0)
        throw refused(`others than its owner may use the key file ${path}`, `run: chmod 600 ${path}`)
      if (size > BYTES_MAX) throw refused(`${path} is too large for a key file`, NEW_CURE)
      return await handle.readFile('utf8')
    } finally {
      await handle.close()
    }
  } catch (thrown) {
    if (isWeftError(thrown)) throw thrown
    throw refused(`the key file ${path} cannot be read: ${reasonOf(thrown)}`, NEW_CURE, thrown)
  }
}

async function writeText(path: string, text: string, to: 'new file' | 'present file'): Promise<void> {
  const at = to === 'new file' ? path : `${path}.part`
  try {
    const handle = await open(at, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (to === 'present file') await rename(at, path)
    await syncDirectory(dirname(path))
  } catch (thrown) {
    const isThere = (thrown as NodeJS.ErrnoException).code === 'EEXIST'
    if (!isThere) await rm(at, { force: true })
    throw refused(
      isThere ? `${at} is there already` : `${at} cannot be written: ${reasonOf(thrown)}`,
      'check the path and its rights; a new key is put before those of a file with: weft key new --add --to FILE',
      thrown,
    )
  }
}

function refused(message: string, cure: string, cause?: unknown): WeftError {
  return new WeftError('WEFT_STORE_KEY', message, cure, {}, { cause })
}
