import { ABSENT } from '../base/cbor-cursor.js'
import { WeftError } from '../base/errors.js'
import {
  isEngineOverlay,
  MAIN_BRANCH,
  OVERLAY_WORKFLOW,
  type OverlayName,
  type Position,
  type WorkflowId,
} from '../base/ids.js'
import { LIMITS } from '../base/limits.js'
import { ENGINE_KINDS } from '../refs/engine-kinds.js'
import type { OverlaysNote, PublishNote } from '../refs/overlay-notes.js'
import type { Change } from '../change/change.js'
import type { Header } from '../change/header.js'
import { engineOverlay } from './engine-overlays.js'
import { type OlderOverlay, overlayInvalid, overlayStale, overlayVersion } from './overlay-errors.js'

/** The kind of the entry that holds the value of a version. */
export const OVERLAY_KIND = `${ENGINE_KINDS}overlay`

/** An overlay as it stands. */
export interface OverlayInForce extends PublishNote {
  /** Of its publication, in the log of the tenant's overlays. */
  readonly position: Position
  /** The least version that a step may be committed under: the last that was published to be enforced so. */
  readonly required: number
}

export function overlayRef(name: OverlayName, version?: number): string {
  return version === undefined ? `overlay:${name}` : `overlay:${name}@${version}`
}

/**
 * The overlays of one tenant that are in force, as far as the log of their publications is known (OVL-1). The headers
 * tell all that is decided by; what an overlay says is of no concern here.
 */
export class Overlays {
  readonly #byName = new Map<OverlayName, OverlayInForce>()

  /** @param failure why the log cannot be read: then no step can be held against it, and none is committed */
  constructor(private readonly failure?: unknown) {}

  get(name: OverlayName): OverlayInForce | undefined {
    return this.#byName.get(name)
  }

  /** In the order in which they were first published. */
  list(): OverlayInForce[] {
    return [...this.#byName.values()]
  }

  /** Takes in a publication that the log holds. */
  add({ notes }: Header, position: Position): void {
    if (notes.publishes === undefined) return
    const { name, version, enforce } = notes.publishes
    const required = enforce === 'commit' ? version : (this.#byName.get(name)?.required ?? 0)
    this.#byName.set(name, { name, version, enforce, position, required })
  }

  /** What a step that ran under these has missed and must not have. */
  older(under: OverlaysNote): OlderOverlay[] {
    return this.list()
      .map(({ name, required }) => ({ name, required, ran: Object.hasOwn(under, name) ? under[name]! : 0 }))
      .filter(({ ran, required }) => ran < required)
  }

  /** Whether the change of a step may be committed. @throws WEFT_OVERLAY_STALE, and why the log cannot be read */
  checkStep({ notes }: Header): void {
    if (notes.overlays === undefined) return
    if (this.failure !== undefined) throw this.failure
    const older = this.older(notes.overlays)
    if (older.length > 0) throw overlayStale(older)
  }

  /** Whether a change may come next in the log of overlays. @throws WEFT_OVERLAY_INVALID · WEFT_OVERLAY_VERSION · WEFT_LIMIT */
  checkPublication({ header }: Change): void {
    const { branch, kinds, writes, stateHashAt, notes } = header
    if (notes.publishes === undefined) throw overlayInvalid('it names no overlay')
    const { name, version } = notes.publishes
    if (isEngineOverlay(name)) checkEngineOverlay(name, notes.publishes.enforce)
    if (branch !== MAIN_BRANCH) throw overlayInvalid(`it is on branch ${branch}`)
    if (kinds.length !== 1 || kinds[0] !== OVERLAY_KIND || stateHashAt !== ABSENT)
      throw overlayInvalid(`it holds something else than one ${OVERLAY_KIND}`)
    if (writes.length !== 1 || writes[0] !== overlayRef(name, version))
      throw overlayInvalid(`it does not write ${overlayRef(name, version)}`)
    const current = this.#byName.get(name)?.version ?? 0
    if (version !== current + 1) throw overlayVersion(name, version, current)
    if (current === 0 && this.#byName.size >= LIMITS.overlays_max) throw tooMany()
  }
}

/** What a log asks of a change beside whether it fits in, and whom it tells that it has taken it. */
export interface ChangeGate {
  /** @throws when the change may not be taken now */
  check(change: Change): void
  admitted(change: Change, position: Position): void
}

/** Every log of a tenant is held against the tenant's overlays, and their own log makes them. */
export function overlayGate(overlays: Overlays, workflow: WorkflowId): ChangeGate {
  if (workflow !== OVERLAY_WORKFLOW)
    return { check: ({ header }) => overlays.checkStep(header), admitted: () => {} }
  return {
    check: change => overlays.checkPublication(change),
    admitted: ({ header }, position) => overlays.add(header, position),
  }
}

/** Nothing that a step does not name may bind it. */
function checkEngineOverlay(name: OverlayName, enforce: PublishNote['enforce']): void {
  if (engineOverlay(name) === undefined) throw overlayInvalid(`the name ${name} is the engine's own`)
  if (enforce !== 'advisory') throw overlayInvalid(`${name} binds no steps: it is advisory`)
}

function tooMany(): WeftError {
  return new WeftError(
    'WEFT_LIMIT',
    `a tenant has at most ${LIMITS.overlays_max} overlays: every step names them all`,
    'put what belongs together into one overlay',
  )
}
