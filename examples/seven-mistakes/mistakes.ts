import * as handoff from './1-handoff.js'
import * as tenants from './2-tenants.js'
import * as order from './3-order.js'
import * as freshness from './4-freshness.js'
import * as tiers from './5-tiers.js'
import * as ownWrites from './6-own-writes.js'
import * as overlays from './7-overlays.js'
import type { Mistake } from './mistake.js'

/** All seven, in the order of their numbers. */
export const MISTAKES: readonly Mistake[] = [handoff, tenants, order, freshness, tiers, ownWrites, overlays]
