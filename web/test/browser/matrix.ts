// A monitor that somebody looks at, and what it says ten times a second.
import { BrowserMonitor } from '@chatsdk/core/monitor';

const EACH_MS = 100;
const samples: { at: number; level: string; reach: string }[] = [];

function begin(): number {
  const monitor = new BrowserMonitor();
  monitor.subscribe(() => {});
  setInterval(() => {
    const { level, reach } = monitor.getSnapshot().quality;
    samples.push({ at: Date.now(), level, reach });
  }, EACH_MS);
  return Date.now();
}

Object.assign(globalThis, { begin, samples });
