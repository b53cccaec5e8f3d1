import { free, getBackend, init, load } from '@automerge/automerge'
import {
  canonicalJson,
  type Change,
  ChangeSet,
  decodeChange,
  digest,
  Intake,
  type LogRecord,
  StateDoc,
} from '@weft/core'
import { type Dice, sha256 } from './dice.js'

/** Of so many changes the view of their past is read. */
const VIEWS_MAX = 8

/**
 * Whether a log is what honest replicas can live with: all of it is taken in, read and saved, and two that got it in other
 * orders agree. @throws when it is not
 */
export function judgeLog(records: readonly LogRecord[], honest: readonly Change[], dice: Dice): void {
  const changes = records.map(({ bytes }) => decodeChange(bytes.slice(), sha256))
  const set = new ChangeSet(sha256)
  for (const change of changes) set.add(change)
  for (const { id } of honest) if (!set.has(id)) throw new Error(`an honest change is not in the log: ${id}`)
  const other = new ChangeSet(sha256)
  const intake = new Intake(other)
  for (const change of shuffled(changes, dice)) {
    const { refused } = intake.receive(change)
    if (refused.length > 0) throw new Error(`in another order it is refused: ${String(refused[0]!.error)}`)
  }
  const [one, two] = [read(set), read(other)]
  if (one !== two) throw new Error('two replicas read different states')
  if (digest(set, sha256) !== digest(other, sha256)) throw new Error('two replicas have different digests')
  // Whoever knows a change and its past alone has to be able to read it too.
  const stateful = changes.filter(({ state }) => state !== null)
  for (const { id } of shuffled(stateful, dice).slice(0, VIEWS_MAX)) read(set, set.viewAt([set.dag.node(id)]))
  judgeSaving(changes.flatMap(({ state }) => state ?? []))
}

function read(set: ChangeSet, view = set.everything()): string {
  const doc = new StateDoc(set, view)
  try {
    if (doc.refused.size > 0) throw new Error('the log has a state change that Automerge refuses')
    set.entries(view)
    return canonicalJson(doc.read())
  } finally {
    doc.free()
  }
}

/** What the peer concludes from one change that is made anew, Automerge has to say of the whole document. */
function judgeSaving(states: readonly Uint8Array[]): void {
  const backend = getBackend(init())
  try {
    backend.applyChanges([...states])
    free(load(backend.save()))
  } finally {
    backend.free()
  }
}

function shuffled<T>(items: readonly T[], dice: Dice): T[] {
  const copy = [...items]
  for (let i = copy.length - 1; i > 0; i--) {
    const j = dice.roll(i + 1)
    const held = copy[i]!
    copy[i] = copy[j]!
    copy[j] = held
  }
  return copy
}
