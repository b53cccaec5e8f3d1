import { BranchWriter, type Change, ChangeSet, LIMITS } from '@weft/core'
import { type Dice, sha256 } from './dice.js'
import { Scribe } from './scribe.js'

/** A change that is offered on condition that nobody has written these. */
export interface ConditionalOffer {
  readonly change: Change
  readonly unmoved: readonly string[]
}

export interface History {
  readonly changes: readonly Change[]
  readonly offers?: readonly ConditionalOffer[]
}

/** Histories that are lawful change by change, and whose shape is a burden to whoever keeps them. */
export const SHAPES: Readonly<Record<string, (size: number, dice: Dice) => History>> = {
  'strangers to one another': (size, dice) => {
    const scribe = new Scribe(dice)
    const root = scribe.write(scribe.actor(), [])
    return { changes: [root, ...times(size, () => scribe.write(scribe.actor(), [root]))] }
  },

  'two who know each other, beside heads that nobody merges': (size, dice) => {
    const scribe = new Scribe(dice)
    const root = scribe.write(scribe.actor(), [])
    const stale = times(50, () => scribe.write(scribe.actor(), [root]))
    return { changes: [root, ...stale, ...zigzag(scribe, root, size)] }
  },

  'branches that merge each other again and again': (size, dice) => {
    const scribe = new Scribe(dice)
    const root = scribe.write(scribe.actor(), [])
    const changes = [root, scribe.write(scribe.actor(), [root])]
    const actors = [scribe.actor(), scribe.actor()]
    for (let at = 0, last = root; at < size; at++) {
      last = scribe.write(actors[at % 2]!, [last], { branch: at % 2 === 0 ? 'main' : 'side' })
      changes.push(last)
    }
    return { changes }
  },

  'branches that begin again and again': (size, dice) => {
    const scribe = new Scribe(dice)
    const root = scribe.write(scribe.actor(), [])
    const changes = [root, ...zigzag(scribe, root, size / 2)]
    const names = times(LIMITS.branches_per_change_max, at => `b${at}`)
    const last = changes.at(-1)!
    for (let at = 0; at < 60; at++)
      changes.push(scribe.write(scribe.actor(), [at % 2 ? last : root], { notes: { forks: names } }))
    for (const branch of names.slice(0, 100)) changes.push(scribe.write(scribe.actor(), [last], { branch }))
    return { changes }
  },

  'actors that begin alike': (size, dice) => {
    const scribe = new Scribe(dice)
    const changes = [scribe.write(scribe.actor(), [])]
    for (let at = 0; at < size; at++)
      changes.push(scribe.write(scribe.actor('0123456789abcdef'), [changes.at(-1)!]))
    return { changes }
  },

  'many deps, far apart': (size, dice) => {
    const scribe = new Scribe(dice)
    const changes = [scribe.write(scribe.actor(), [])]
    for (let at = 0; at < size / 4; at++) {
      const deps = new Set(times(64, () => dice.pick(changes)))
      changes.push(scribe.write(scribe.actor(), [...deps]))
    }
    return { changes }
  },

  'one ref, written and asked for again and again': (size, dice) => {
    const scribe = new Scribe(dice)
    const root = scribe.write(scribe.actor(), [])
    const often = times(LIMITS.refs_per_change_max, () => 'ext:a')
    const loud = times(4, () => scribe.write(scribe.actor(), [root], { writes: often }))
    const rest = times(size / 4, () => scribe.write(scribe.actor(), [root], { writes: ['ext:a'] }))
    const offers = times(20, at => ({
      change: scribe.write(scribe.actor(), [at % 2 ? root : rest.at(-1)!]),
      unmoved: times(256, () => 'ext:a'),
    }))
    return { changes: [root, ...loud, ...rest], offers }
  },

  'much that is written, and asked for by one who has seen nothing of it': (size, dice) => {
    const scribe = new Scribe(dice)
    const root = scribe.write(scribe.actor(), [])
    const full = times(20, change =>
      scribe.write(scribe.actor(), [root], {
        writes: times(LIMITS.refs_per_change_max, at => `state:/${change}/${at}`),
      }),
    )
    const aside = scribe.actor()
    const long = times(size, () => scribe.write(aside, [root], { branch: 'side' }))
    const offers = times(20, at => ({
      change: scribe.write(scribe.actor(), [at % 2 ? root : long.at(-1)!]),
      unmoved: times(256, ref => `state:/none/${ref}`),
    }))
    return { changes: [root, ...full, ...long], offers }
  },

  'lists within lists within lists, whose items move': (size, dice) => {
    const scribe = new Scribe(dice)
    const root = scribe.write(scribe.actor(), [])
    const deep = '/0'.repeat(LIMITS.value_depth_max)
    const marks = times(50, at => `${deep.slice(0, -2 * (at + 1))}/~${at % 2 ? '<' : '>'}${at % 8}`)
    const writes = marks.map(mark => `state:${mark}`)
    const moving = times(size / 100, () => scribe.write(scribe.actor(), [root], { writes }))
    const offers = times(20, at => ({
      change: scribe.write(scribe.actor(), [moving[at % moving.length]!]),
      unmoved: marks.map(mark => `state:${mark.slice(0, mark.lastIndexOf('/'))}/9`),
    }))
    return { changes: [root, ...moving], offers }
  },

  'a key of the state that is old, beside a branch that nobody merges': (size, dice) => {
    const set = new ChangeSet(sha256)
    const host = dice.host()
    const begin = new BranchWriter(set, host, 'main', 'eve')
    const root = begin.write({ state: { plan: { old: 1 } } })!
    const writer = new BranchWriter(set, host, 'main', 'eve')
    const changes = [root]
    changes.push(begin.write({ notes: { forks: ['side'] } })!)
    changes.push(new BranchWriter(set, host, 'side', 'eve').write({ entries: ONE })!)
    changes.push(...times(size, () => begin.write({ entries: ONE })!))
    changes.push(...times(20, at => writer.write({ state: { plan: { old: at } } })!))
    begin.state.free()
    writer.state.free()
    return { changes }
  },
}

const ONE = [{ kind: 'message', value: 'hostile' }]

/** A part of one is one: a shape of any size has all that makes it. */
function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: Math.ceil(count) }, (_, index) => make(index))
}

/** Two actors who each have seen the other's last change, from one change on. */
function zigzag(scribe: Scribe, from: Change, count: number): Change[] {
  const actors = [scribe.actor(), scribe.actor()]
  let last = from
  return times(count, at => {
    last = scribe.write(actors[at % 2]!, [last])
    return last
  })
}
