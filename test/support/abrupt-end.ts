const undos = new Set<() => void>()
let listening = false
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

/**
 * For what outlives a process that does not clean up: has `undo` called, once, when this one is ended by a signal, by an
 * error, or because the process that runs the tests has gone. Those of later calls come first.
 * @returns calls it off
 */
export function atAbruptEnd(undo: () => void): () => void {
  if (!listening) listen()
  undos.add(undo)
  return () => undos.delete(undo)
}

function listen(): void {
  listening = true
  process.on('exit', undoAll)
  process.on('disconnect', () => process.exit(1))
  for (const [signal, number] of Object.entries(SIGNALS)) process.on(signal, () => process.exit(128 + number))
}

function undoAll(): void {
  for (const undo of [...undos].reverse()) {
    undos.delete(undo)
    undo()
  }
}
