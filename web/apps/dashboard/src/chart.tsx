import { useEffect, useRef, type ReactElement, type RefObject } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { clock } from './clock.js';
import { WINDOW_MS, type View } from './timeline.js';

/** Widths of the axes in px: as those beside the lanes in dashboard.css, so that both have the same time below each other. */
const LEFT = 78;
const RIGHT = 40;
const HEIGHT = 132;
/** The axis of time has a mark each half minute, or each minute where it is narrow, in s. */
const MARK = 30;
const NARROW = 480;

/** What changes how things look: a canvas has to be drawn anew then. */
const LOOKS = ['(prefers-color-scheme: dark)', '(forced-colors: active)'];

interface Props {
  readonly view: View;
  readonly end: number;
  /** An element whose keys (`[data-series]`) and itself have the colours to draw in. */
  readonly colours: RefObject<HTMLElement | null>;
}

/** Round trip and queue over the window that ends at `end`. */
export function Chart({ view, end, colours }: Props): ReactElement {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const shown = useRef({ view, end });
  shown.current = { view, end };

  useEffect(() => {
    const draw = (): void => {
      plot.current?.destroy();
      const width = box.current!.clientWidth;
      plot.current = new uPlot(optionsFor(colours.current!, width, shown), dataOf(shown.current), box.current!);
    };
    draw();
    const sized = new ResizeObserver(() => plot.current!.setSize({ width: box.current!.clientWidth, height: HEIGHT }));
    sized.observe(box.current!);
    const looks = LOOKS.map((query) => matchMedia(query));
    for (const look of looks) look.addEventListener('change', draw);
    return () => {
      for (const look of looks) look.removeEventListener('change', draw);
      sized.disconnect();
      plot.current!.destroy();
      plot.current = undefined;
    };
  }, [colours]);
  useEffect(() => plot.current?.setData(dataOf({ view, end })), [view, end]);
  return <div className="chart" ref={box} />;
}

interface Shown {
  readonly view: View;
  readonly end: number;
}

/** The columns in the chart's seconds. The lines go on until now, though the last sample was a moment ago. */
function dataOf({ view }: Shown): uPlot.AlignedData {
  const { times, rtt, queued, at } = view;
  if (!times.length) return [[], [], []];
  return [
    [...times, at].map((t) => t / 1000),
    [...rtt, rtt.at(-1)!],
    [...queued, queued.at(-1)!],
  ];
}

function optionsFor(legend: HTMLElement, width: number, shown: RefObject<Shown>): uPlot.Options {
  const ink = getComputedStyle(legend).color;
  const line = getComputedStyle(legend).borderTopColor;
  const [rtt, queued] = ['rtt', 'queued'].map(
    (name) => getComputedStyle(legend.querySelector(`[data-series=${name}]`)!).color,
  );
  const font = `12px ${getComputedStyle(legend).fontFamily}`;
  const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    padding: [9, 0, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: true, range: () => [(shown.current.end - WINDOW_MS) / 1000, shown.current.end / 1000] },
      ms: { range: (_, _min, max) => [0, Math.max(100, max * 1.1)] },
      messages: { range: (_, _min, max) => [0, Math.max(4, max * 1.1)] },
    },
    axes: [
      { ...axis, size: 26, gap: 6, splits: (u, _i, min, max) => marks(min, max, u.width < NARROW ? 2 * MARK : MARK), values: (_, at) => at.map((v) => clock(v * 1000)) },
      { ...axis, scale: 'ms', size: LEFT, gap: 6, space: 28, values: (_, at) => at.map((v) => `${v} ms`) },
      { ...axis, scale: 'messages', side: 1, size: RIGHT, gap: 6, space: 28, grid: { show: false }, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000] },
    ],
    series: [
      {},
      { scale: 'ms', stroke: rtt!, width: 2, points: { show: false } },
      { scale: 'messages', stroke: queued!, width: 1.5, dash: [5, 3], points: { show: false }, paths: uPlot.paths.stepped!({ align: 1 }) },
    ],
  };
}

function marks(min: number, max: number, each: number): number[] {
  const first = Math.ceil(min / each) * each;
  return Array.from({ length: Math.floor((max - first) / each) + 1 }, (_, i) => first + i * each);
}
