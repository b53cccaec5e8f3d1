import { parentPort, workerData } from 'node:worker_threads'
import { isWeftError, reasonOf } from '@weft/core'
import { type GatewayOptions, startGateway } from './gateway.js'
import type { FromWorker } from './gateway-thread.js'

/* A gateway in a thread of its own: what it materialises, and dies of, is none of the peer's. */

const tell = (message: FromWorker): void => parentPort!.postMessage(message)

try {
  const onDefect = (error: unknown): void =>
    tell({ is: 'defect', reason: (error instanceof Error && error.stack) || reasonOf(error) })
  const options = workerData as GatewayOptions
  const gateway = await startGateway({ ...options, host: '127.0.0.1', port: 0, onDefect })
  parentPort!.once('message', async () => {
    await gateway.close()
    process.exit(0)
  })
  tell({ is: 'listening', port: gateway.port })
} catch (error) {
  if (!isWeftError(error)) throw error
  // Of an error only the text would reach the other side.
  tell({ is: 'failed', error: error.toJSON() })
  process.exit(1)
}
