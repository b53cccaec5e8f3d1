import type { OverlayName } from '../base/ids.js'
import type { OverlaysNote } from '../refs/overlay-notes.js'
import type { View } from '../graph/view.js'
import type { ChangeSet } from '../set/change-set.js'

/**
 * Of each overlay that is in force, the newest version that a change of a view was written under: what a model that is
 * shown this view has been told before. A function of the set; it looks no further back than it must.
 */
export function embeddedOverlays(set: ChangeSet, view: View, inForce: OverlaysNote): OverlaysNote {
  const embedded = new Map<OverlayName, number>()
  const sought = new Map(Object.entries(inForce))
  for (let at = view.arrived.length - 1; at >= 0 && sought.size > 0; at--) {
    const { overlays = {} } = set.change(view.arrived.at(at)).header.notes
    for (const [name, version] of Object.entries(overlays)) {
      embedded.set(name, Math.max(version, embedded.get(name) ?? 0))
      if (version >= (sought.get(name) ?? Number.POSITIVE_INFINITY)) sought.delete(name)
    }
  }
  return Object.fromEntries([...embedded].filter(([name]) => Object.hasOwn(inForce, name)))
}
