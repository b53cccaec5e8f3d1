import { WeftError } from '@weft/core'
import { PROTOCOL_VERSIONS } from './messages.js'

/** The best version that both sides speak. @throws WEFT_VERSION */
export function negotiateVersion(
  offered: readonly number[],
  spoken: readonly number[] = PROTOCOL_VERSIONS,
): number {
  const shared = spoken.find(version => offered.includes(version))
  if (shared !== undefined) return shared
  throw new WeftError(
    'WEFT_VERSION',
    `the replica speaks protocol ${offered.join(', ') || '(none)'}, this peer ${spoken.join(', ')}`,
    'upgrade the older side: peers first',
    { offered, spoken },
  )
}
