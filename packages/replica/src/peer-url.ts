import { WeftError } from '@weft/core'

/** @throws WEFT_USAGE when it is not the address of a peer, `ws://…` or `wss://…` */
export function checkPeerUrl(url: string): void {
  if (!URL.canParse(url) || !/^wss?:$/.test(new URL(url).protocol)) throw noAddress(JSON.stringify(url))
  const { hash, username, password } = new URL(url)
  // It would end in logs, and no peer asks for it.
  if (username !== '' || password !== '') throw noAddress('one with a user or a password')
  if (hash !== '' || url.endsWith('#')) throw noAddress(JSON.stringify(url))
}

function noAddress(told: string): WeftError {
  return new WeftError(
    'WEFT_USAGE',
    `${told} is not the address of a peer`,
    'write ws://host:port or wss://host',
  )
}
