import { expect, test } from 'vitest';
import { SSEParser, type SSEvent } from '../src/sse.ts';
import { random } from './helpers.ts';

function parse(pieces: readonly string[], limit = 1000): SSEvent[] {
  const events: SSEvent[] = [];
  const parser = new SSEParser((e) => events.push(e), limit);
  for (const p of pieces) parser.push(p);
  return events;
}

test.each<[string, string, SSEvent[]]>([
  ['an event', 'event: a\nid: 1\ndata: x\n\n', [{ type: 'a', id: '1', data: 'x' }]],
  ['with CRLF', 'event: a\r\ndata: x\r\n\r\n', [{ type: 'a', id: null, data: 'x' }]],
  ['more lines of data', 'data: x\ndata:y\ndata\n\n', [{ type: 'message', id: null, data: 'x\ny\n' }]],
  ['one space is dropped, colons stay', 'data:  a: b\n\n', [{ type: 'message', id: null, data: ' a: b' }]],
  ['a name is enough', 'event: gap\n\n', [{ type: 'gap', id: null, data: '' }]],
  ['comments, ids alone and empty lines are nothing', ': beat\n\n\n\nid: 7\n\nretry: 9\n\n', []],
  ['an id is its event’s only', 'id: 7\ndata: x\n\ndata: y\n\n', [
    { type: 'message', id: '7', data: 'x' },
    { type: 'message', id: null, data: 'y' },
  ]],
  ['what has no end isn’t told', 'data: x\n', []],
])('%s', (_, text, events) => {
  expect(parse([text])).toEqual(events);
});

test('is the same however it is cut', () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const next = random(seed);
  const text = 'event: a\r\nid: 1\ndata: x\r\n\r\n: beat\n\ndata: ä☃\ndata: z\n\nevent: gap\n\n'.repeat(5);
  const whole = parse([text]);
  expect(whole).toHaveLength(15);
  for (let i = 0; i < 500; i++) {
    const pieces: string[] = [];
    for (let at = 0; at < text.length; ) {
      const n = 1 + Math.floor(next() * 12);
      pieces.push(text.slice(at, at + n));
      at += n;
    }
    expect(parse(pieces), `SEED=${seed}`).toEqual(whole);
  }
});

test('holds no more than its limit', () => {
  expect(parse([`data: ${'x'.repeat(94)}\n\n`], 100)).toHaveLength(1);
  expect(() => parse([`data: ${'x'.repeat(95)}\n\n`], 100)).toThrow(RangeError);
  expect(() => parse(Array<string>(101).fill('x'), 100)).toThrow(RangeError);
  expect(() => parse(Array<string>(20).fill('data: x\n'), 100)).toThrow(RangeError);
  expect(parse(Array<string>(20).fill('data: x\n\n'), 100)).toHaveLength(20);
});
