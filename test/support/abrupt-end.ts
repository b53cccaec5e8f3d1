const undos = new Set<() => void>()
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

/**
 * For what outlives a process that does not clean up: has `undo` called, once, when this one is ended by a signal or by an
 * error. Those of later calls come first.
 * @returns calls it off
 */
export function atAbruptEnd(undo: () => void): () => void {
  if (undos.size === 0) listen()
  undos.add(undo)
  return () => undos.delete(undo)
}

let listening = false

function listen(): void {
  if (listening) return
  listening = true
  process.on('exit', undoAll)
  for (const [signal, number] of Object.entries(SIGNALS)) process.on(signal, () => process.exit(128 + number))
}

function undoAll(): void {
  for (const undo of [...undos].reverse()) {
    undos.delete(undo)
    undo()
  }
}
