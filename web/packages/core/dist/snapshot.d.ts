import type { Message, Snapshot } from './types.js';
/** The first snapshot of every store, and the one that a server renders. */
export declare const EMPTY: Snapshot;
/** Parts of a snapshot as they come in: unchecked. */
export type Patch = Readonly<Record<string, unknown>>;
/** checkPatch returns what of a patch is known, in shape; throws a TypeError for what isn't. */
export declare function checkPatch(patch: unknown): Partial<Snapshot>;
/** checkMessage returns a frozen message; throws a TypeError for something else. */
export declare function checkMessage(data: unknown): Message;
/** merge returns the snapshot with the parts of the patch that differ, or the same one if none does. */
export declare function merge(old: Snapshot, patch: Partial<Snapshot>, now: number): Snapshot;
