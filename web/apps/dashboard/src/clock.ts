/** Made once: to make one takes longer than to use it a hundred times, and a page shows hundreds of times. */
const FORMAT = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

/** clock returns the time of day of a time in ms since the epoch, by this machine's zone: "16:05:30". Empty for none. */
export function clock(ms: number): string {
  return Number.isNaN(ms) ? '' : FORMAT.format(ms);
}
