import type { Checker } from '../checker.js'
import { causality } from './causality.js'
import { convergence } from './convergence.js'
import { credentials } from './credentials.js'
import { drops } from './drops.js'
import { durability } from './durability.js'
import { heads } from './heads.js'
import { leases } from './leases.js'
import { overlays } from './overlays.js'
import { preconditions } from './preconditions.js'
import { proposals } from './proposals.js'
import { sessions } from './sessions.js'
import { staleness } from './staleness.js'
import { steps } from './steps.js'
import { tenants } from './tenants.js'

/** One of each, for one world. */
export function allCheckers(): Checker[] {
  return [
    convergence(),
    durability(),
    causality(),
    sessions(),
    staleness(),
    overlays(),
    leases(),
    heads(),
    tenants(),
    preconditions(),
    proposals(),
    steps(),
    credentials(),
    drops(),
  ]
}
