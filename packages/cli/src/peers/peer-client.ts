import { connect as connectSocket } from 'node:net'
import { ANY_CONTEXT, type JsonObject, reasonOf, WeftError } from '@weft/core'
import type { Context, Replica, ReplicaEvent } from '@weft/replica'
import type { Settings } from '../settings/resolve-settings.js'
import { type Cli, required } from '../cli/cli.js'

export type AnyContext = Context<JsonObject, Readonly<Record<never, never>>>

export interface OpenContext {
  readonly replica: Replica
  readonly context: AnyContext
  /** The first thing that went wrong behind our back: a change refused, or damage on the wire. */
  trouble(): unknown
}

/** A replica of the peer that the settings name. */
export interface OpenReplica {
  readonly replica: Replica
  /** Aborts at damage on the wire: the replica would fetch the same bytes again and again until its time is up. */
  readonly signal: AbortSignal
  readonly timeout_ms: number
  /** The first thing that went wrong behind our back: a change refused, or damage on the wire. */
  trouble(): unknown
}

/**
 * Connects to the peer that the settings name, and closes everything again after `use`.
 * @throws WEFT_USAGE · WEFT_PEER_UNREACHABLE · WEFT_TOKEN_* and what `use` throws
 */
export async function withReplica<T>(
  cli: Cli,
  settings: Settings,
  use: (open: OpenReplica) => Promise<T>,
): Promise<T> {
  const url = required(settings, 'url')
  const token = required(settings, 'token')
  const timeout_ms = required(settings, 'timeout') * 1_000
  cli.output.progress(`connecting to ${url} …`)
  await reach(url, timeout_ms)
  // Loaded here: most of what reads a context reads a directory, and a replica takes as long to load as that to read.
  const { connect } = await import('@weft/replica')
  let trouble: unknown
  const damaged = new AbortController()
  const noteLink = linkNotes(cli)
  const onEvent = (event: ReplicaEvent): void => {
    noteLink(event)
    if (event.type === 'refused' || event.type === 'damaged') trouble ??= event.error
    if (event.type === 'damaged') damaged.abort(event.error)
  }
  const replica = await connect({ url, token, client: `weft-cli/${cli.version}`, onEvent, timeout_ms })
  try {
    return await use({ replica, signal: damaged.signal, timeout_ms, trouble: () => trouble })
  } catch (thrown) {
    throw trouble ?? thrown
  } finally {
    await replica.close({ discard: true })
  }
}

/** Tells of a connection that is lost after it was had, once, and that there is one again: what is shown meanwhile is old. */
function linkNotes({ output }: Cli): (event: ReplicaEvent) => void {
  let state: 'new' | 'connected' | 'lost' = 'new'
  return event => {
    if (event.type === 'disconnected' && state === 'connected') {
      state = 'lost'
      output.note(`the peer is out of reach (${event.reason || `close code ${event.code}`}); trying again`)
    } else if (event.type === 'connected') {
      if (state === 'lost') output.note('the peer is back')
      state = 'connected'
    }
  }
}

/**
 * As `withReplica`, with a context open.
 * @throws also WEFT_SCOPE · WEFT_WORKFLOW_FORBIDDEN · WEFT_STORE_CORRUPT · WEFT_NOT_SYNCED · WEFT_CHANGE_*
 */
export function withContext<T>(
  cli: Cli,
  settings: Settings,
  workflow: string,
  use: (open: OpenContext) => Promise<T>,
): Promise<T> {
  return withReplica(cli, settings, async ({ replica, trouble, ...wait }) => {
    cli.output.progress(`reading ${workflow} …`)
    const context = await replica.open(ANY_CONTEXT, { workflow, agent: 'weft-cli', ...wait })
    return use({ replica, context, trouble })
  })
}

/** Resolves when something listens at a peer's address: a replica would go on trying where a command should say so. */
export async function reach(url: string, timeout_ms: number): Promise<void> {
  const { hostname, port, protocol } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  await new Promise<void>((resolve, reject) => {
    const socket = connectSocket({ host, port: Number(port || (protocol === 'wss:' ? 443 : 80)) })
    const failed = (reason: string): void => {
      socket.destroy()
      reject(unreachable(url, reason))
    }
    socket.setTimeout(timeout_ms, () => failed(`no answer within ${timeout_ms / 1_000} s`))
    socket.once('error', error =>
      failed(reasonOf(error) || (error as NodeJS.ErrnoException).code || 'refused'),
    )
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
  })
}

function unreachable(url: string, reason: string): WeftError {
  return new WeftError(
    'WEFT_PEER_UNREACHABLE',
    `no peer at ${url}: ${reason}`,
    'check the address (--url, WEFT_URL), or start a peer: weft dev',
    { url },
  )
}
