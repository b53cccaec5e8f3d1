import { resolve } from 'node:path'
import { WeftError } from '@weft/core'
import { GatewayThread } from '@weft/gateway/parts'
import { type DrainReport, type Peer, type PeerOptions, startPeer } from '@weft/peer'
import { type LevelStoreOptions, openLevelStore } from '@weft/store-level'
import type { Logger } from 'pino'
import { aborted, endNow } from '../base/signals.js'
import { stderrLogger } from '../base/stderr-logger.js'
import { plural } from '../base/text.js'
import type { Settings } from '../settings/resolve-settings.js'
import { type Cli, required } from '../cli/cli.js'

export interface RunningPeer {
  readonly url: string
  readonly port: number
  /** Resolves when a signal has come and everything that was taken is written. */
  drained(): Promise<DrainReport>
}

/**
 * Starts a peer in this process, with a gateway in a thread of it, which begins when it is first asked for.
 * @param signal when it is to drain
 * @throws as `startPeer`; WEFT_FILE_INVALID for definitions that cannot be read
 */
export async function runPeer(
  { cwd }: Cli,
  settings: Settings,
  data: string,
  opening: LevelStoreOptions,
  options: Pick<PeerOptions, 'key' | 'webhooks' | 'limits'>,
  signal: AbortSignal,
  logger = stderrLogger(required(settings, 'logLevel')),
): Promise<RunningPeer> {
  let gateway: GatewayThread | undefined
  const peer = await startPeer({
    openStore: () => openLevelStore(data, opening),
    ...options,
    audience: required(settings, 'audience'),
    host: required(settings, 'host'),
    port: required(settings, 'port'),
    logger,
    gateway: async () => (gateway ?? notYet()).port(),
  })
  const schemas = settings.schemas && resolve(cwd, settings.schemas.value)
  gateway = gatewayOf(peer, logger, schemas)
  try {
    // Definitions that cannot be read are to be told of now, and not to whoever comes first.
    if (schemas !== undefined) await gateway.port()
  } catch (error) {
    await peer.close()
    throw error
  }
  return {
    url: peer.url,
    port: peer.port,
    drained: async () => {
      await aborted(signal)
      await gateway.close()
      return peer.drain()
    },
  }
}

function gatewayOf({ url }: Peer, logger: Logger, schemas: string | undefined): GatewayThread {
  return new GatewayThread({
    url: reachable(url),
    onDied: reason =>
      logger.error({ reason }, 'the gateway has died; it is begun again when it is asked for'),
    onDefect: reason => logger.error({ reason }, 'the gateway failed at a request'),
    ...(schemas !== undefined && { schemas }),
  })
}

function notYet(): never {
  throw new WeftError('WEFT_GATEWAY_DOWN', 'the peer is only just beginning', 'ask again in a moment')
}

/** A peer that listens at all addresses of the machine is reached at one of them. */
function reachable(url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
}

/**
 * Says what a drain left behind. A change that was not acknowledged is still with its author, who offers it again. Where the disk
 * does not answer the process ends here.
 */
export function reportDrain({ output, json }: Cli, report: DrainReport): void {
  const { unacked, stuck } = report
  if (json) output.data({ event: 'drained', ...report })
  else if (stuck)
    output.note(
      `not drained, the disk does not answer: ${plural(unacked, 'change')} received and not acknowledged; their replicas keep them`,
    )
  else if (unacked === 0) output.note('drained: everything that was received is durable and acknowledged')
  else
    output.note(
      `drained: ${plural(unacked, 'change')} received, not written and not acknowledged; their replicas keep them`,
    )
  if (stuck) endNow()
}
