import { useEffect, useId, useRef, useState, type ReactElement } from 'react';

interface Props {
  readonly label: string;
  /** What is so, by the server. */
  readonly value: number;
  /** The values that can be chosen, rising as the slider does. */
  readonly steps: readonly number[];
  readonly words: (value: number) => string;
  readonly off: boolean;
  /** Asks for a value; resolves when it was answered. */
  readonly onChoose: (value: number) => Promise<unknown>;
}

/** A slider over steps. It asks when it is let go, and shows what is so, not what was asked for. */
export function Slider({ label, value, steps, words, off, onChoose }: Props): ReactElement {
  const [draft, setDraft] = useState<number | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const choose = useRef<(index: number) => void>(undefined);
  choose.current = (index) => {
    const done = (): void => setDraft(null);
    if (off || steps[index] === value) done();
    else void onChoose(steps[index]!).then(done);
  };
  // React's onChange is the event `input`, which comes all along the way.
  useEffect(() => {
    const element = input.current!;
    const chosen = (): void => choose.current!(element.valueAsNumber);
    element.addEventListener('change', chosen);
    return () => element.removeEventListener('change', chosen);
  }, []);
  const at = draft ?? nearest(steps, value);
  return (
    <div className="slider">
      <label htmlFor={id}>{label}</label>
      {/* No <output>: that is a live region, and who moves the slider hears its value anyway. */}
      <span className="value">
        {words(value)}
        {draft !== null && steps[draft] !== value && ` → ${words(steps[draft]!)}`}
      </span>
      <input
        ref={input}
        id={id}
        type="range"
        min={0}
        max={steps.length - 1}
        step={1}
        value={at}
        aria-disabled={off}
        aria-valuetext={words(draft === null ? value : steps[draft]!)}
        onChange={(e) => !off && setDraft(e.target.valueAsNumber)}
      />
    </div>
  );
}

/** nearest returns the index of the step that is closest to a value. */
export function nearest(steps: readonly number[], value: number): number {
  let best = 0;
  steps.forEach((step, i) => {
    if (Math.abs(step - value) < Math.abs(steps[best]! - value)) best = i;
  });
  return best;
}
