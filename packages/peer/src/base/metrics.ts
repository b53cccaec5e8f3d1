/** Upper bounds of a histogram's buckets, in seconds. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5]

/** Counters, gauges and one kind of histogram, in the Prometheus text format. No label ever names a tenant. */
export class Metrics {
  readonly #counters = new Map<string, { help: string; values: Map<string, number> }>()
  readonly #gauges = new Map<string, { help: string; read: () => number }>()
  readonly #histograms = new Map<string, { help: string; buckets: number[]; sum: number; count: number }>()

  counter(name: string, help: string): (by?: number, labels?: Readonly<Record<string, string>>) => void {
    const values = new Map<string, number>()
    this.#counters.set(name, { help, values })
    return (by = 1, labels = {}) => {
      const key = renderLabels(labels)
      values.set(key, (values.get(key) ?? 0) + by)
    }
  }

  gauge(name: string, help: string, read: () => number): void {
    this.#gauges.set(name, { help, read })
  }

  /** @returns a function that takes seconds */
  histogram(name: string, help: string): (seconds: number) => void {
    const histogram = { help, buckets: SECONDS.map(() => 0), sum: 0, count: 0 }
    this.#histograms.set(name, histogram)
    return seconds => {
      histogram.sum += seconds
      histogram.count++
      const bucket = SECONDS.findIndex(bound => seconds <= bound)
      if (bucket >= 0) histogram.buckets[bucket]!++
    }
  }

  render(): string {
    const lines: string[] = []
    for (const [name, { help, values }] of this.#counters) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} counter`)
      if (values.size === 0) lines.push(`${name} 0`)
      for (const [labels, value] of values) lines.push(`${name}${labels} ${value}`)
    }
    for (const [name, { help, read }] of this.#gauges) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${read()}`)
    }
    for (const [name, { help, buckets, sum, count }] of this.#histograms) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} histogram`)
      let below = 0
      SECONDS.forEach((bound, index) => {
        below += buckets[index]!
        lines.push(`${name}_bucket{le="${bound}"} ${below}`)
      })
      lines.push(`${name}_bucket{le="+Inf"} ${count}`, `${name}_sum ${sum}`, `${name}_count ${count}`)
    }
    return `${lines.join('\n')}\n`
  }
}

function renderLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${value.replace(/[\\"\n]/g, '_')}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}
