/**
 * A growing table of 32-bit integers, row by row in one typed array: what is known of one item lies together, and one
 * check of room serves a whole row.
 */
export class IntTable {
  rows = 0
  #cells: Int32Array

  constructor(
    readonly columns: number,
    rows = 16,
  ) {
    this.#cells = new Int32Array(rows * columns)
  }

  /** Adds a row of zeros; returns its number. */
  add(): number {
    if ((this.rows + 1) * this.columns > this.#cells.length) {
      const grown = new Int32Array(this.#cells.length * 2)
      grown.set(this.#cells)
      this.#cells = grown
    }
    return this.rows++
  }

  /** @returns what stands there; the caller knows that the row exists */
  at(row: number, column: number): number {
    return this.#cells[row * this.columns + column]!
  }

  set(row: number, column: number, value: number): void {
    this.#cells[row * this.columns + column] = value
  }
}
