export type { Database } from './database.js'
export { type LevelStoreOptions, openLevelStore, openStoreOn, type StoreOnOptions } from './open.js'
