import { WeftError } from '@weft/core'
import * as Y from 'yjs'
import { type ScratchAddress, type ScratchLink, Share, type ShareOptions } from './share.js'

/**
 * The scratch of one step (TIR-1): a Yjs document that is made when it is first used, is local until it is shared, and
 * is gone with its step. Nothing of it is kept but what the step promotes.
 */
export class Scratch {
  #doc: Y.Doc | undefined
  #share: Share | undefined
  #ended = false

  constructor(private readonly link: ScratchLink) {}

  /** The document itself. @throws WEFT_STEP_ENDED */
  get doc(): Y.Doc {
    if (this.#ended) throw stepEnded()
    this.#doc ??= new Y.Doc()
    return this.#doc
  }

  /** @throws WEFT_STEP_ENDED */
  text(name: string): Y.Text {
    return this.doc.getText(name)
  }

  /** @throws WEFT_STEP_ENDED */
  map<Value = unknown>(name: string): Y.Map<Value> {
    return this.doc.getMap<Value>(name)
  }

  /** @throws WEFT_STEP_ENDED */
  array<Item = unknown>(name: string): Y.Array<Item> {
    return this.doc.getArray<Item>(name)
  }

  /** Where others can watch and edit; undefined while it is local, and again when the peer has refused it. */
  get address(): ScratchAddress | undefined {
    return this.#share?.failure ? undefined : this.#share?.address
  }

  /**
   * Shares it through the peer, until the step ends; its `address` is known at once. Content stays local and editable
   * whatever comes of it.
   * @returns when others can watch
   * @throws WEFT_PEER_UNREACHABLE (it goes on trying) · WEFT_TOKEN_* · WEFT_SCOPE · WEFT_WORKFLOW_FORBIDDEN ·
   *   WEFT_SCRATCH_FULL · WEFT_STEP_ENDED
   */
  async share(options: ShareOptions = {}): Promise<ScratchAddress> {
    const { doc } = this
    this.#share ??= new Share(doc, this.link)
    return this.#share.ready(options)
  }

  /** All texts, maps and arrays that were opened here, by name. */
  content(): Record<string, unknown> {
    const opened = [...this.doc.share].filter(([, type]) => type.constructor !== Y.AbstractType)
    return Object.fromEntries(opened.map(([name, type]) => [name, type.toJSON()]))
  }

  /** @internal The step is over: nothing remains, here or at the peer. */
  end(): void {
    this.#ended = true
    this.#share?.end(stepEnded())
    this.#doc?.destroy()
    this.#doc = undefined
  }
}

function stepEnded(): WeftError {
  return new WeftError(
    'WEFT_STEP_ENDED',
    'the step of this scratch has ended',
    'use a scratch inside its step, and promote what should outlive it',
  )
}
