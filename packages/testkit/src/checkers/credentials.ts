import { type Checker, entryOf } from '../checker.js'

/** Longer than a peer is ever frozen. What ends a connection takes no time in a simulation, where TEN-5 allows a second. */
const GRACE_MS = 250

/** A token that has expired, or was revoked, gets no more answers (TEN-5); a session's is good for its context alone (SES-3). */
export function credentials(): Checker {
  /** By tenant: with its overlays it forgets what it has revoked. */
  const revoked = new Map<string, Map<string, number>>()
  return {
    name: 'credentials',
    on: {
      revoked: ({ tenant, token, now_ms }) =>
        void entryOf(revoked, tenant, () => new Map()).set(token, now_ms),
      removed: ({ tenant }) => void revoked.delete(tenant),
      // What a damaged change has revoked nobody can know.
      flipped: ({ tenant, isOverlay }) => void (isOverlay && revoked.delete(tenant)),
      answered: ({ process, token: { id, tenant, expires_ms }, peer_ms, now_ms }, report) => {
        if (peer_ms > expires_ms + GRACE_MS)
          report(
            'TEN-5',
            `${process} is answered ${Math.round(peer_ms - expires_ms)} ms after its token expired`,
          )
        const since_ms = now_ms - (revoked.get(tenant)?.get(id) ?? now_ms)
        if (since_ms > GRACE_MS)
          report('TEN-5', `${process} is answered ${Math.round(since_ms)} ms after its token was revoked`)
      },
      trespass: ({ tenant, of, on }, report) =>
        report('SES-3', `a session of ${of.key} was taken for ${on} of ${tenant}`),
    },
  }
}
