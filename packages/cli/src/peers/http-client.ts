import { type ErrorCode, reasonOf, WeftError } from '@weft/core'
import type { Settings } from '../settings/resolve-settings.js'
import { type Cli, required } from '../cli/cli.js'
import { reach } from './peer-client.js'

/**
 * Asks a peer over HTTP, at the address of its websocket.
 * @returns what it answers, as JSON; undefined for nothing
 * @throws as the problem that it answers with · WEFT_PEER_UNREACHABLE · WEFT_USAGE
 */
export async function ask(cli: Cli, settings: Settings, method: string, path: string): Promise<unknown> {
  const url = required(settings, 'url')
  const token = required(settings, 'token')
  const timeout_ms = required(settings, 'timeout') * 1_000
  cli.output.progress(`connecting to ${url} …`)
  await reach(url, timeout_ms)
  const signal = AbortSignal.timeout(timeout_ms)
  try {
    const response = await fetch(httpAt(url, path), {
      method,
      headers: { authorization: `Bearer ${token}` },
      signal,
    })
    const answer: unknown = response.status === 204 ? undefined : await bodyOf(response, signal)
    if (response.ok) return answer
    throw problemIn(answer, response.status)
  } catch (thrown) {
    if (signal.aborted) throw notInTime(timeout_ms)
    throw thrown instanceof TypeError ? notAnswered(url, thrown) : thrown
  }
}

/** Where a peer answers over HTTP, by the address of its websocket. */
export function httpAt(url: string, path: string): URL {
  return new URL(path, url.replace(/^ws/i, 'http'))
}

/** What fetch fails with says why in its cause alone. */
function notAnswered(url: string, thrown: TypeError): WeftError {
  return new WeftError(
    'WEFT_PEER_UNREACHABLE',
    `${url} has not answered over HTTP, and may still do what it was asked: ${reasonOf(thrown.cause ?? thrown)}`,
    'check that a peer of Weft listens there and that nothing stands between, then look whether it was done',
    {},
    { cause: thrown },
  )
}

/** Null for what is no JSON. */
async function bodyOf(response: Response, signal: AbortSignal): Promise<unknown> {
  const body: unknown = await response.json().catch(() => null)
  signal.throwIfAborted()
  return body
}

function notInTime(timeout_ms: number): WeftError {
  return new WeftError(
    'WEFT_PEER_UNREACHABLE',
    `the peer has not answered within ${timeout_ms / 1_000} s, and may still do what it was asked`,
    'look whether it was done, or ask again with more time (--timeout 60s)',
  )
}

function problemIn(answer: unknown, status: number): WeftError {
  const { code, detail, cure } = (answer ?? {}) as Readonly<Record<string, unknown>>
  if (typeof code === 'string' && typeof detail === 'string' && typeof cure === 'string') {
    return new WeftError(code as ErrorCode, detail, cure)
  }
  return new WeftError(
    'WEFT_PEER_UNREACHABLE',
    `what answers there is no peer of Weft: status ${status}`,
    'check the address (--url, WEFT_URL)',
  )
}
