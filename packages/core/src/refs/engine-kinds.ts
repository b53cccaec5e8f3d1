/** Entries of kinds that begin so are the engine's own; a context shows them only to who asks for them. */
export const ENGINE_KINDS = 'weft.'
/** The kind of the entry that records what has come of a side effect. */
export const EFFECT_KIND = `${ENGINE_KINDS}effect`
/** The kind of the entries that stand for a range of others. */
export const SUMMARY_KIND = `${ENGINE_KINDS}summary`

export function isEngineKind(kind: string): boolean {
  return kind.startsWith(ENGINE_KINDS)
}
