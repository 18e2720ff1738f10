/** clock returns the time of day of a time in ms since the epoch, by this machine's zone: "16:05:30". Empty for none. */
export function clock(ms: number): string {
  return Number.isNaN(ms) ? '' : new Date(ms).toLocaleTimeString([], { hour12: false });
}
