export { useAnnouncement } from './announcer.js';
export { ConnectionBanner, type ConnectionBannerProps } from './banner.js';
export { useConnection, useNetworkQuality, useOutbox, useUpload, type ConnectionFacts, type NetworkMetrics, type OutboxFacts, } from './hooks.js';
export { NetworkIndicator, SignalBars, type NetworkIndicatorProps } from './indicator.js';
export { defaultLabels, type Labels, type LabelOverrides, type StatusLabels } from './labels.js';
export { ChatSDKProvider, type ChatSDKProviderProps } from './provider.js';
export { useLabels, useSnapshot, useStore } from './store.js';
