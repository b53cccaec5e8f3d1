import { isWeftError, type Store, type TenantStore, type WeftError, wholeLog } from '@weft/core'
import { listContexts } from '@weft/peer/parts'
import {
  borrowStore,
  checkFiles,
  checkKeys,
  type FileVerdict,
  type LevelStoreOptions,
  openLevelStore,
  tryStore,
} from '@weft/store-level'
import { sha256 } from '../logs/context-copy.js'
import { LogCheck, type Verdict } from '../logs/log-check.js'
import { type DataDirectory, openingWith } from '../cli/encryption.js'

/**
 * How much of a store is looked at: the seals of all contexts; every checksum of every file before; every change of every
 * log after.
 */
export const CHECKS = ['quick', 'files', 'full'] as const
export type CheckDepth = (typeof CHECKS)[number]

/** Each finding crosses to another process. */
const CONTEXTS_PER_FINDING = 500

/** What a check tells as it goes on. */
export type Finding =
  | { readonly file: FileVerdict }
  /** Of each context when all of it is read, else of damaged ones. */
  | { readonly verdict: Verdict }
  /** Contexts whose end was looked at. */
  | { readonly contexts: number }
  /** The store holds less than it had sealed. */
  | { readonly lost: WeftError }

/**
 * Checks the store in a directory that no peer has open, without changing it. Some damage makes LevelDB abort the process.
 * @throws WEFT_STORE_LOCKED · WEFT_STORE_VERSION · WEFT_STORE_KEY · WEFT_STORE_CORRUPT (nothing in it can be read) ·
 *   WEFT_STORE_FAILED
 */
export async function* checkDirectory(
  { directory, keyFile }: DataDirectory,
  depth: CheckDepth,
): AsyncGenerator<Finding> {
  const opening = await openingWith(keyFile)
  await checkKeys(directory, opening.encryption)
  const borrowed = await borrowStore(directory)
  try {
    let damaged = false
    if (depth !== 'quick') {
      for await (const file of checkFiles(borrowed.directory)) {
        damaged ||= file.damage.length > 0
        yield { file }
      }
    }
    const { store, lost } = await openAnyway(borrowed.directory, opening)
    if (lost) yield { lost }
    try {
      // Which contexts a damaged block belongs to only reading them can tell.
      yield* depth === 'full' || damaged ? checkLogs(store) : checkEnds(store)
    } finally {
      await store.close()
    }
    if (damaged) await tryStore(borrowed.directory)
  } finally {
    await borrowed.release()
  }
}

async function openAnyway(
  directory: string,
  opening: Pick<LevelStoreOptions, 'encryption'>,
): Promise<{ store: Store; lost?: WeftError }> {
  try {
    return { store: await openLevelStore(directory, opening) }
  } catch (thrown) {
    if (!isWeftError(thrown) || thrown.details.lost !== true) throw thrown
    return { store: await openLevelStore(directory, { ...opening, onLoss: 'accept' }), lost: thrown }
  }
}

/** Every change of every log, one log after the other; a damaged one does not hide the next. */
async function* checkLogs(store: Store): AsyncGenerator<Finding> {
  for await (const id of store.tenants()) {
    const tenant = store.tenant(id)
    try {
      const { contexts, damaged } = await listContexts(tenant)
      for (const workflow of [...contexts.map(each => each.workflow), ...damaged]) {
        yield { verdict: await checkLog(tenant, workflow) }
        yield { contexts: 1 }
      }
    } catch (error) {
      yield { verdict: unlistedOf(id, error) }
    }
  }
}

/** The heads and where each log ends. */
async function* checkEnds(store: Store): AsyncGenerator<Finding> {
  let seen = 0
  for await (const id of store.tenants()) {
    const tenant = store.tenant(id)
    try {
      const { contexts, damaged } = await listContexts(tenant)
      for (const workflow of damaged) yield { verdict: await checkLog(tenant, workflow) }
      seen += contexts.length + damaged.length
    } catch (error) {
      yield { verdict: unlistedOf(id, error) }
    }
    if (seen < CONTEXTS_PER_FINDING) continue
    yield { contexts: seen }
    seen = 0
  }
  yield { contexts: seen }
}

function unlistedOf(tenant: string, error: unknown): Verdict {
  const check = new LogCheck('(all)', tenant)
  check.thrown('heads', error)
  return check.verdict()
}

/** The store verifies each record that it reads and refuses a damaged one, so what is after that is out of reach. */
async function checkLog(tenant: TenantStore, workflow: string): Promise<Verdict> {
  const check = new LogCheck(workflow, tenant.tenant)
  let next = 1
  try {
    const log = wholeLog(tenant, workflow, sha256)
    let page = await log.next()
    for (; !page.done; page = await log.next()) {
      for (const record of page.value) {
        const at = `position ${record.position}`
        if (record.position !== next)
          check.problem(at, 'WEFT_STORE_CORRUPT', `position ${next} was expected here`)
        check.record({ ...record, at })
        next = record.position + 1
      }
    }
    const { count = 0, heads = [] } = page.value ?? {}
    check.expect('head', { count, heads })
  } catch (error) {
    const position = isWeftError(error) ? error.details.position : undefined
    check.thrown(typeof position === 'number' ? `position ${position}` : 'head', error)
  }
  return check.verdict()
}
