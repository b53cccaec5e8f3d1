import {
  type Change,
  type HeaderNotes,
  newActor,
  OVERLAY_KIND,
  overlayRef,
  type PublishNote,
  sealChange,
} from '@weft/core'
import { seededHost } from './core-property.ts'

const host = seededHost(1)

const DRAFT = {
  seq: 1,
  lamport: 1,
  time: 0,
  branch: 'main',
  agent: 'tester',
  deps: new Uint8Array(0),
  kinds: [] as string[],
  values: [] as unknown[],
  state: null,
  writes: [] as string[],
  reads: [],
}

type Draft = Parameters<typeof sealChange>[0]

function sealed(lie: Partial<Draft>, notes: HeaderNotes): Change {
  return sealChange({ ...DRAFT, actor: newActor(host.random), notes, ...lie } as Draft, host)
}

/** A change as it stands in the log of a tenant's overlays, but for what `lie` says. */
export function publication(
  name: string,
  version: number,
  { enforce = 'commit' }: Partial<PublishNote> = {},
  lie: Partial<Draft> = {},
): Change {
  const kinds = [OVERLAY_KIND]
  const writes = [overlayRef(name, version)]
  return sealed({ kinds, values: ['rules'], writes, ...lie }, { publishes: { name, version, enforce } })
}

/** The change of a step that ran under these overlays. */
export function stepUnder(overlays: Readonly<Record<string, number>>): Change {
  return sealed({ kinds: ['note'], values: [1] }, { step: 'think', overlays })
}
