import { WeftError } from '@weft/core'

/** Why a server cannot listen where it is to. */
export function listenError(error: NodeJS.ErrnoException, host: string, port: number): WeftError {
  if (error.code === 'EADDRINUSE') {
    return new WeftError(
      'WEFT_PORT_IN_USE',
      `port ${port} on ${host} is in use`,
      'stop what listens there, or choose another port (0 takes a free one)',
      { port },
    )
  }
  return new WeftError(
    'WEFT_USAGE',
    `cannot listen on ${host}:${port}: ${error.message}`,
    'choose another host or port',
  )
}
