export { BrowserMonitor, type MonitorOptions, type Observation } from './browser.js';
export { BACKGROUND, FOREGROUND, type Effort } from './effort.js';
export { type Environment, type Hint } from './environment.js';
export { Estimator, type Cause, type Probe, type Refusal, type Report, type Sample } from './estimator.js';
