import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { canonicalJson, checkAnyWorkflow, checkId, isChangeId, type Json, type LogHead } from '@weft/core'
import { invalid } from '../base/lines.js'

/*
 * A backup is a directory: an export for each context (export-format.ts), and a manifest that seals which there are and
 * what is in them. Names of files are numbers: ids may differ in case alone, and not every file system tells.
 */

export const BACKUP_VERSION = 1
export const MANIFEST = 'manifest.json'

/** A context in a backup, as its store had sealed it. */
export interface BackedUp extends LogHead {
  readonly tenant: string
  /** From the directory of the backup. */
  readonly file: string
  /** Of the file. */
  readonly sha256: string
  /** Of the set of changes (CHG-4): what a replica must show. */
  readonly digest: string
}

/** A context that should be in it and could not be read. */
export interface LeftOut {
  readonly tenant: string
  readonly workflow: string
  readonly reason: string
}

export interface BackupManifest {
  readonly weft: 'backup'
  readonly version: number
  /** ISO 8601: when the list of contexts was taken. */
  readonly time: string
  readonly contexts: readonly BackedUp[]
  readonly leftOut: readonly LeftOut[]
  /** SHA-256 of the canonical JSON of all the rest. */
  readonly checksum: string
}

export function sealManifest(fields: Omit<BackupManifest, 'weft' | 'version' | 'checksum'>): BackupManifest {
  const manifest = { weft: 'backup' as const, version: BACKUP_VERSION, ...fields }
  return { ...manifest, checksum: checksumOf(manifest) }
}

/** @throws WEFT_FILE_INVALID when it is none, is not whole, or was altered */
export async function readManifest(directory: string): Promise<BackupManifest> {
  const path = join(directory, MANIFEST)
  const text = await readFile(path, 'utf8').catch(() => {
    const cure =
      'name the directory that `weft backup --to` was given; one with .part- in its name was never finished'
    throw invalid(directory, 'it holds no finished backup', cure)
  })
  const manifest = parsed(path, text)
  const { checksum, ...rest } = manifest
  if (checksumOf(rest) !== checksum)
    throw invalid(path, 'the checksum is not that of the manifest: it was altered')
  if (!manifest.contexts.every(isBackedUp)) throw invalid(path, 'it lists something that is no context')
  return manifest
}

function parsed(path: string, text: string): BackupManifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid(path, 'it is not JSON')
  }
  const { weft, version, contexts } = (value ?? {}) as Partial<BackupManifest>
  if (weft !== 'backup' || !Array.isArray(contexts)) throw invalid(path, 'it is not the manifest of a backup')
  if (version !== BACKUP_VERSION) {
    const reason = `it is a backup of version ${String(version)}; this weft reads version ${BACKUP_VERSION}`
    throw invalid(path, reason, 'use a weft that knows that version')
  }
  return value as BackupManifest
}

function isBackedUp({ tenant, workflow, file, count, heads }: BackedUp): boolean {
  checkId('tenant', tenant)
  checkAnyWorkflow(workflow)
  const isInside = /^contexts\/\d+\.jsonl$/.test(file)
  return isInside && Number.isSafeInteger(count) && Array.isArray(heads) && heads.every(isChangeId)
}

function checksumOf(manifest: Omit<BackupManifest, 'checksum'>): string {
  return hash('sha256', canonicalJson(manifest as unknown as Json), 'hex')
}
