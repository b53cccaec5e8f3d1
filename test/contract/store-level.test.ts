import { LevelHarness } from './level-harness.ts'
import { storeContract } from './store.contract.ts'

storeContract('LevelDB', () => LevelHarness.make())
storeContract('LevelDB, encrypted', () => LevelHarness.makeEncrypted())
