import { holdsStore } from '@weft/store-level'
import type { Logger } from 'pino'
import type { Cli } from '../cli/cli.js'
import type { DataDirectory } from '../cli/encryption.js'
import { checkInProcess } from './store-check-process.js'
import type { CheckDepth } from './store-check.js'

/**
 * What a peer wants to know of its store before it opens it. Damaged contexts are told of and left to their quarantine.
 * @param signal ends it before it is done
 * @throws WEFT_STORE_CORRUPT when the store should not be opened as it is · WEFT_STORE_LOCKED · WEFT_STORE_VERSION ·
 *   WEFT_STORE_KEY · WEFT_STORE_FAILED
 */
export async function checkAtStart(
  cli: Cli,
  data: DataDirectory,
  depth: CheckDepth,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  if (!(await holdsStore(data.directory))) return
  const started = performance.now()
  const report = await checkInProcess(data, depth, text => cli.output.progress(text), signal)
  if (signal.aborted) {
    log.info('told to end while the store was being checked')
    return
  }
  const { files, verdicts, contexts, unusable } = report
  for (const { file, damage } of files.damaged) log.error({ file, damage }, 'a file of the store is damaged')
  const damaged = verdicts.filter(({ ok }) => !ok)
  for (const { tenant, workflow, problems } of damaged) {
    log.error({ tenant, workflow, problems }, 'context is damaged, and will not be served')
  }
  if (unusable) throw unusable
  const seconds = (performance.now() - started) / 1_000
  log.info(
    { depth, seconds, files: files.count, bytes: files.bytes, contexts, damaged: damaged.length },
    'the store was checked',
  )
}
