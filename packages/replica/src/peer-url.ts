import { WeftError } from '@weft/core'

/** @throws WEFT_USAGE when it is not the address of a peer, `ws://…` or `wss://…` */
export function checkPeerUrl(url: string): void {
  if (URL.canParse(url) && /^wss?:$/.test(new URL(url).protocol)) return
  throw new WeftError(
    'WEFT_USAGE',
    `${JSON.stringify(url)} is not the address of a peer`,
    'write ws://host:port or wss://host',
  )
}
