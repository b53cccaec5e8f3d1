export type { Database } from './database.js'
export { type LevelStoreOptions, openLevelStore } from './open.js'
