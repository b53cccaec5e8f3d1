import { type DrainReport, type PeerOptions, startPeer } from '@weft/peer'
import { openLevelStore } from '@weft/store-level'
import { type Logger, pino } from 'pino'
import { type Cli, required } from './cli.js'
import { EXIT } from './failure.js'
import type { Settings } from './resolve-settings.js'
import { plural } from './text.js'

export interface RunningPeer {
  readonly url: string
  readonly port: number
  /** Resolves when a signal has come and everything that was taken is written. */
  drained(): Promise<DrainReport>
}

/** Starts a peer in this process. @throws as `startPeer` */
export async function runPeer(
  settings: Settings,
  data: string,
  options: Pick<PeerOptions, 'key' | 'webhooks'>,
  logger = stderrLogger(required(settings, 'logLevel')),
): Promise<RunningPeer> {
  const peer = await startPeer({
    openStore: () => openLevelStore(data),
    ...options,
    audience: required(settings, 'audience'),
    host: required(settings, 'host'),
    port: required(settings, 'port'),
    logger,
  })
  const signal = untilSignal()
  return {
    url: peer.url,
    port: peer.port,
    drained: async () => {
      await signal
      return peer.drain()
    },
  }
}

/** Says what a drain left behind. A change that was not acknowledged is still with its author, who offers it again. */
export function reportDrain({ output, json }: Cli, { unacked }: DrainReport): void {
  if (json) output.data({ event: 'drained', unacked })
  else if (unacked === 0) output.note('drained: everything that was received is durable and acknowledged')
  else
    output.note(
      `drained: ${plural(unacked, 'change')} received, not written and not acknowledged; their replicas keep them`,
    )
}

/** The first signal asks to drain. Whoever sends a second one does not want to wait for that. */
function untilSignal(): Promise<void> {
  return new Promise(resolve => {
    let asked = false
    const onSignal = (): void => {
      if (asked) process.exit(EXIT.interrupted)
      asked = true
      resolve()
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}

export function stderrLogger(level: string): Logger {
  return pino({ level, name: 'weft' }, pino.destination({ fd: 2, sync: true }))
}
