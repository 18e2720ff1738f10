export { AgentStore, type AgentOptions } from './agent.js';
export { AgentError, type Actions } from './actions.js';
export { LEVELS, type LevelRow } from './levels.js';
export { EMPTY } from './snapshot.js';
export { statusOf, type Status } from './status.js';
export { BaseStore, MemoryStore, type SnapshotPatch, type Store, type StoreOptions } from './store.js';
export { takeToken } from './token.js';
export type * from './types.js';
