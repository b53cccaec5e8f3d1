export type { Database } from './database.js'
export { checkFiles, type FileVerdict } from './file-check.js'
export { type LevelStoreOptions, openLevelStore } from './open.js'
export type { OnLoss } from './whole-store.js'
