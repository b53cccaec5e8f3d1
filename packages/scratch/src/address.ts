import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const ID_CHARS = 32
const PATH = new RegExp(`^/scratch/([A-Za-z0-9._~-]{1,128})/([0-9a-f]{${ID_CHARS}})$`)
/** What the relay picks of the subprotocols that are offered: the others hold secrets, and it would repeat one. */
export const SUBPROTOCOL = 'weft-scratch'

/** What a client asks for, and what it shows for it. Nothing of it is verified yet. */
export interface Request {
  readonly workflow: string
  readonly scratch: string
  readonly token: string
  readonly ownerKey: string | undefined
}

/** The id of a scratch is the hash of its owner's key: who has the key owns it, and the relay need not be told. */
export function scratchId(ownerKey: string): string {
  return createHash('sha256').update(ownerKey).digest('hex').slice(0, ID_CHARS)
}

export function isScratchPath(url: string | undefined): boolean {
  return url?.startsWith('/scratch/') ?? false
}

/** Credentials as subprotocols, which no log of addresses shows; a browser may set these or a query alone. */
export function credentials(token: string, ownerKey?: string): string[] {
  const own = ownerKey === undefined ? [] : [`weft-owner.${ownerKey}`]
  return [SUBPROTOCOL, `weft-token.${token}`, ...own]
}

/** Undefined for what is no address of a scratch. */
export function readRequest({ url = '', headers }: IncomingMessage): Request | undefined {
  const mark = url.indexOf('?')
  const [path, query] = mark < 0 ? [url, ''] : [url.slice(0, mark), url.slice(mark + 1)]
  const match = PATH.exec(path)
  if (match === null) return undefined
  const protocols = (headers['sec-websocket-protocol'] ?? '').split(',').map(each => each.trim())
  const parameters = new URLSearchParams(query)
  const shown = (name: string): string | undefined =>
    protocols.find(each => each.startsWith(`weft-${name}.`))?.slice(`weft-${name}.`.length) ??
    parameters.get(name) ??
    undefined
  return { workflow: match[1]!, scratch: match[2]!, token: shown('token') ?? '', ownerKey: shown('owner') }
}
