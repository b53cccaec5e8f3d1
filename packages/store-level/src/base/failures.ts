import {
  type ErrorDetails,
  isWeftError,
  type Position,
  reasonOf,
  type WorkflowId,
  WeftError,
} from '@weft/core'

export function failed(directory: string, what: string, cause?: unknown, cure?: string): WeftError {
  return new WeftError(
    'WEFT_STORE_FAILED',
    cause === undefined ? what : `${what}: ${reasonOf(cause)}`,
    cure ?? `check the disk and the rights of ${directory}, then close the store and open it again`,
    { directory },
    { cause },
  )
}

export function locked(directory: string, cause?: unknown): WeftError {
  return new WeftError(
    'WEFT_STORE_LOCKED',
    `the store in ${directory} is in use by another process, or by another handle of this one`,
    'stop the other user of the directory, or choose another directory for this one',
    { directory },
    { cause },
  )
}

export function closed(what: string, cure: string): WeftError {
  return new WeftError('WEFT_STORE_CLOSED', what, cure)
}

const CORRUPT_CURE =
  'this context stays unreadable, others are served: fill it from a replica, an export or a backup with `weft repair`'

/** One damaged context. */
export function corrupt(
  tenant: string,
  workflow: WorkflowId,
  position: Position | undefined,
  reason: string,
  cause?: unknown,
): WeftError {
  const at = position === undefined ? '' : ` at position ${position}`
  return new WeftError(
    'WEFT_STORE_CORRUPT',
    `the log of workflow ${workflow} of tenant ${tenant} is damaged${at}: ${reason}`,
    CORRUPT_CURE,
    { tenant, workflow, ...(position === undefined ? {} : { position }) },
    { cause },
  )
}

/** What to say after listing the sound contexts of a tenant. */
export function corruptContexts(tenant: string, damaged: readonly WeftError[]): WeftError {
  return new WeftError(
    'WEFT_STORE_CORRUPT',
    `${damaged.length} of the contexts of tenant ${tenant} are damaged: ${damaged.map(reasonOf).join('; ')}`,
    CORRUPT_CURE,
    { tenant, workflows: damaged.map(({ details }) => details.workflow) },
    { cause: damaged[0] },
  )
}

/** Damage that cannot be pinned to one context. */
export function corruptStore(
  directory: string,
  reason: string,
  details: ErrorDetails = {},
  cause?: unknown,
): WeftError {
  return new WeftError(
    'WEFT_STORE_CORRUPT',
    `the store in ${directory} is damaged: ${reason}`,
    'save what is sound in a new directory with `weft repair --data DIR --to NEW`, or restore a backup',
    { directory, ...details },
    { cause },
  )
}

/** The key of a tenant is damaged or gone, and with it all that the tenant has here. */
export function lostKey(directory: string, tenant: string, reason: string, cause?: unknown): WeftError {
  return new WeftError(
    'WEFT_STORE_CORRUPT',
    `the key of tenant ${tenant} is lost: ${reason}`,
    'put its file back from a copy of the directory keys; else fill a new store with `weft repair`, from a backup or a replica',
    { directory, tenant },
    { cause },
  )
}

/** Keys and store do not go together, or a key cannot be had now. */
export function keyRefused(directory: string, what: string, cure: string, cause?: unknown): WeftError {
  return new WeftError(
    'WEFT_STORE_KEY',
    cause === undefined ? what : `${what}: ${reasonOf(cause)}`,
    cure,
    { directory },
    { cause },
  )
}

/** More is missing than contexts that can be named. */
export function lostStore(directory: string, reason: string): WeftError {
  return new WeftError(
    'WEFT_STORE_CORRUPT',
    `the store in ${directory} has lost what it had sealed: ${reason}`,
    'make a whole one of it with `weft repair --data DIR --to NEW`, from exports, a backup or a replica; or restore a backup',
    { directory, lost: true },
  )
}

/** What a read that LevelDB rejected means to the caller. */
export function readFailed(directory: string, thrown: unknown): WeftError {
  if (isWeftError(thrown)) return thrown
  return codeOf(thrown) === 'LEVEL_CORRUPTION'
    ? corruptStore(directory, reasonOf(thrown), {}, thrown)
    : failed(directory, 'a read failed', thrown)
}

export function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'
    ? thrown.code
    : undefined
}
