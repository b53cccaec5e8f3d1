import { BranchWriter, type Change, ChangeSet, type Host, type JsonObject, MAIN_BRANCH } from '@weft/core'
import { seededHost } from './core-property.ts'

/** Writes changes as one agent would, without any replica around it. */
export class Author {
  readonly set: ChangeSet
  readonly #writer: BranchWriter

  constructor(
    seed: number,
    readonly host: Host = seededHost(seed),
    known: readonly Change[] = [],
    branch = MAIN_BRANCH,
  ) {
    this.set = new ChangeSet(host.hash)
    for (const change of known) this.set.add(change)
    this.#writer = new BranchWriter(this.set, host, branch, `agent-${seed}`)
  }

  /** One entry with a text of so many characters. */
  append(chars = 10): Change {
    return this.#writer.write({ entries: [{ kind: 'message', value: { text: '.'.repeat(chars) } }] })!
  }

  appends(count: number, chars?: number): Change[] {
    return Array.from({ length: count }, () => this.append(chars))
  }

  edit(key: string, value: number): Change {
    return this.write({ ...this.#writer.state.read(), [key]: value })
  }

  write(state: JsonObject): Change {
    return this.#writer.write({ state })!
  }
}
