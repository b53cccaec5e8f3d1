/**
 * Who is reading. LevelDB keeps an old value for whoever began to read before it was written over, and an old file for
 * whoever began before it was written anew.
 */
export class Readers {
  readonly #open = new Set<Promise<void>>()

  /** @returns to be called when the reading is over */
  begin(): () => void {
    let end = (): void => {}
    const over = new Promise<void>(resolve => {
      end = resolve
    })
    this.#open.add(over)
    return () => {
      this.#open.delete(over)
      end()
    }
  }

  async during<T>(read: () => Promise<T>): Promise<T> {
    const end = this.begin()
    try {
      return await read()
    } finally {
      end()
    }
  }

  /** Resolves when all are done that are reading now. */
  async left(): Promise<void> {
    await Promise.all(this.#open)
  }
}
