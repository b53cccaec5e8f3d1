/** Work that is done piece by piece. */
export interface Flow {
  /** Does the next piece. @returns what it cost; undefined when there was nothing to do */
  step(): number | undefined
}

/**
 * Flows in turn, each for about `quantum` of cost: deficit round robin (Shreedhar and Varghese, 1995), charged when a
 * piece is done, as surplus round robin does (Adiseshu, Parulkar and Varghese, 1996), for what it costs is not known
 * before. So over time all get the same, whatever the size of their pieces, and none waits for more than a quantum and
 * a piece of each of the others. A flow that has nothing to do leaves, and takes no credit with it.
 */
export class RoundRobin implements Flow {
  /** In the order of their turns, each with what it may still spend. */
  readonly #balances = new Map<Flow, number>()

  constructor(private readonly quantum: number) {}

  get size(): number {
    return this.#balances.size
  }

  /** One that is here already keeps its place. */
  add(flow: Flow): void {
    if (!this.#balances.has(flow)) this.#balances.set(flow, this.quantum)
  }

  step(): number | undefined {
    for (const [flow, balance] of this.#balances) {
      // It spent more than it had.
      if (balance <= 0) {
        this.#toTheEnd(flow, balance + this.quantum)
        continue
      }
      const cost = flow.step()
      if (cost === undefined) {
        this.#balances.delete(flow)
        continue
      }
      const left = balance - cost
      if (left > 0) this.#balances.set(flow, left)
      else this.#toTheEnd(flow, left + this.quantum)
      return cost
    }
    return undefined
  }

  #toTheEnd(flow: Flow, balance: number): void {
    this.#balances.delete(flow)
    this.#balances.set(flow, balance)
  }
}

/** Tenants in turn, and within each what it has: a tenant gets no more by bringing many. */
export class FairQueue {
  readonly #turns: RoundRobin
  readonly #tenants = new Map<string, RoundRobin>()

  constructor(private readonly quantum: number) {
    this.#turns = new RoundRobin(quantum)
  }

  /** How many tenants have something to do. */
  get tenants(): number {
    return this.#tenants.size
  }

  add(tenant: string, flow: Flow): void {
    let flows = this.#tenants.get(tenant)
    if (flows === undefined) {
      flows = new RoundRobin(this.quantum)
      this.#tenants.set(tenant, flows)
      this.#turns.add(this.#turnOf(tenant, flows))
    }
    flows.add(flow)
  }

  /** Does pieces until they have cost `cost_max`. @returns whether there may be more to do */
  run(cost_max: number): boolean {
    for (let cost = 0; cost < cost_max; ) {
      const spent = this.#turns.step()
      if (spent === undefined) break
      cost += spent
    }
    return this.#tenants.size > 0
  }

  #turnOf(tenant: string, flows: RoundRobin): Flow {
    return {
      step: () => {
        const cost = flows.step()
        if (cost === undefined) this.#tenants.delete(tenant)
        return cost
      },
    }
  }
}
