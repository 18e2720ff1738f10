import type { Snapshot, Store } from '@chatsdk/core';
import { type LabelOverrides, type Labels } from './labels.js';
export declare const Context: import("react").Context<{
    readonly store: Store;
    readonly labels: Labels;
} | null>;
/** The store that the provider was given. */
export declare function useStore(): Store;
/** The provider's texts, with some replaced. */
export declare function useLabels(over?: LabelOverrides): Labels;
/**
 * What a function picks of the snapshot. The component renders again only when that changes: objects and lists are
 * compared field by field, one level deep, and equal ones stay the same object. The function may be written in place.
 */
export declare function useSnapshot<T>(select: (snapshot: Snapshot) => T): T;
