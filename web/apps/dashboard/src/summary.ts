import { LANES, WINDOW_MS, type Lane, type Span, type View } from './timeline.js';

/** summaryOf tells a time line in words, for those who don't see it. */
export function summaryOf(view: View, name: string): string {
  const from = view.at - WINDOW_MS;
  const inside = view.times.map((t) => t >= from);
  const rtts = view.rtt.filter((v, i): v is number => v !== null && inside[i]!);
  const queued = view.queued.filter((_, i) => inside[i]!);
  const parts = [`The last 2 minutes of ${name}.`];
  if (!rtts.length) parts.push('Round trip: not known.');
  else {
    const now = view.rtt.at(-1);
    const known = now == null ? 'now not known' : `now ${Math.round(now)}`;
    parts.push(`Round trip: ${Math.round(Math.min(...rtts))} to ${Math.round(Math.max(...rtts))} ms, ${known}.`);
  }
  if (queued.length) parts.push(`Messages that wait: at most ${Math.max(...queued)}, now ${queued.at(-1)}.`);
  for (const lane of LANES) parts.push(laneOf(lane, view.lanes[lane], view.at));
  return parts.join(' ');
}

/** The states that a lane went through last: more than five are too much to listen to. */
const TOLD = 5;

function laneOf(lane: Lane, spans: readonly Span[], now: number): string {
  const told = spans.slice(-TOLD).map(({ from, to, word }) => {
    const seconds = Math.round(((to ?? now) - Math.max(from, now - WINDOW_MS)) / 1000);
    return `${word || 'not known'} ${seconds} s`;
  });
  const title = lane[0]!.toUpperCase() + lane.slice(1);
  if (!told.length) return `${title}: not known.`;
  return `${title}: ${spans.length > TOLD ? `${spans.length} states, at last ` : ''}${told.join(', then ')}.`;
}
