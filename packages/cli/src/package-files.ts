import { fileURLToPath } from 'node:url'

/**
 * What the command starts or reads by its path. They are told here, at the root of the package's modules, since that is
 * where a bundle has them too.
 */
export const PEER_PROGRAM = new URL('./replay/peer-main.js', import.meta.url)
export const WORKER_PROGRAM = new URL('./replay/worker-main.js', import.meta.url)
export const STORE_CHECK_PROGRAM = new URL('./store-check-child.js', import.meta.url)
export const SALVAGE_PROGRAM = new URL('./salvage-child.js', import.meta.url)
export const MANIFEST = new URL('../package.json', import.meta.url)
/** Three fan-outs that were written for `weft demo`. */
export const SAMPLE_TRACES = fileURLToPath(new URL('../samples/fan-outs.jsonl', import.meta.url))
