export type { Database } from './base/database.js'
export { holdsStore, syncDirectory } from './base/directory.js'
export { checkKeys, isEncrypted } from './encryption/encryption.js'
export type { KeyService } from './encryption/key-service.js'
export { addMasterKey, readKeyFile } from './encryption/master-key-file.js'
export { type BorrowedStore, borrowStore, clearBorrowed } from './files/borrow.js'
export { checkFiles, type FileVerdict } from './files/file-check.js'
export type { StoreSeal } from './seals/store-seal.js'
export { carryOver } from './logs/carry-over.js'
export {
  contextKey,
  isSealedBy,
  type Salvaged,
  type SalvagedContext,
  salvage,
  sealOf,
} from './logs/salvage.js'
export type { OnLoss } from './logs/whole-store.js'
export { type LevelStoreOptions, openLevelStore, openStoreOn, type StoreOnOptions } from './open.js'
export { rewrapKeys } from './rewrap.js'
export { tryStore } from './trial.js'
