import type { ReactElement } from 'react';
import { clock } from '../clock.js';
import { Ask } from './button.js';
import { Slider } from './slider.js';
import type { DemoClient, Link } from './state.js';
import type { DemoStore } from './store.js';
import { useBusy, useDemo } from './use.js';

const LATENCY = [0, 20, 60, 120, 250, 500, 1000, 2000];
const LOSS = [0, 1, 2, 5, 10, 20, 40];
/** Slower to the left; 0, which is no limit, is the fastest. */
const RATE = [16, 32, 64, 128, 256, 512, 1024, 4096, 0];
/** What stands for no limit among the rates, so that it lies beyond the fastest. */
const UNLIMITED = 8192;

interface Props {
  readonly demo: DemoStore;
  readonly client: DemoClient;
}

/** What can go wrong between one client and the server, and how it is now. */
export function Faults({ demo, client }: Props): ReactElement {
  const { name, link } = client;
  const path = `/v1/clients/${encodeURIComponent(name)}`;
  const shared = { demo, path: `${path}/link` };
  return (
    <section className="faults" aria-label={`Network of ${name}`}>
      <div className="head">
        <h3>Network of {name}</h3>
        <Shown demo={demo} client={client} />
      </div>
      <Limits demo={demo} client={client} path={`${path}/link`} />
      <div className="buttons">
        <Ask
          {...shared}
          does={link.cut ? `${name} plugged in` : `${name} cut off`}
          body={{ cut: !link.cut }}
          on={link.cut}
          hint="Nothing gets through in either direction, and nobody is told"
        >
          Cut
        </Ask>
        <Ask
          {...shared}
          does={link.portal ? `${name}’s portal gone` : `${name} behind a portal`}
          body={{ portal: !link.portal }}
          on={link.portal}
          hint="A sign-in page answers in place of the server"
        >
          Captive portal
        </Ask>
        <Ask demo={demo} path={`${path}/half-open`} body={{ direction: 'up' }} does={`${name} silent up`} hint="What the present connections send gets lost from now on">
          Half-open up
        </Ask>
        <Ask demo={demo} path={`${path}/half-open`} body={{ direction: 'down' }} does={`${name} silent down`} hint="What the present connections should receive gets lost from now on">
          Half-open down
        </Ask>
        <Ask demo={demo} path={`${path}/reset`} does={`${name}’s connections reset`} hint="Its connections end at once (RST)">
          Reset
        </Ask>
        <Busy demo={demo} client={client} path={path} />
        <Ask demo={demo} path={`${path}/expire`} does={`${name}’s token expired`} hint="Its access token is refused from now on: it has to refresh">
          Expire token
        </Ask>
        <Ask demo={demo} path={`${path}/heal`} does={`${name} healed`} kind="main" hint="The link as it was at the beginning">
          Heal
        </Ask>
      </div>
    </section>
  );
}

/** How much of the channel has come as far as this client. */
function Shown({ demo, client }: Props): ReactElement {
  const stored = useDemo(demo).state?.server.stored ?? 0;
  return (
    <p className="soft">
      {client.shown} of {stored} messages shown
    </p>
  );
}

function Limits({ demo, client, path }: Props & { readonly path: string }): ReactElement {
  const { name, link } = client;
  const off = useBusy(demo);
  const set = (patch: Partial<Link>, what: string): Promise<boolean> => demo.post(`${name}’s ${what}`, path, patch);
  const rate = (v: number): number => (v === UNLIMITED ? 0 : v);
  return (
    <div className="sliders">
      <Slider
        label="Latency"
        value={link.latencyMs}
        steps={LATENCY}
        words={(v) => `${v} ms`}
        off={off}
        onChoose={(v) => set({ latencyMs: v }, `latency ${v} ms`)}
      />
      <Slider
        label="Loss"
        value={link.lossPct}
        steps={LOSS}
        words={(v) => `${v}%`}
        off={off}
        onChoose={(v) => set({ lossPct: v }, `loss ${v}%`)}
      />
      <Slider
        label="Rate"
        value={link.rateKbps || UNLIMITED}
        steps={RATE.map((v) => v || UNLIMITED)}
        words={(v) => (rate(v) ? `${v} kbit/s` : 'no limit')}
        off={off}
        onChoose={(v) => set({ rateKbps: rate(v) }, rate(v) ? `rate ${v} kbit/s` : 'rate without limit')}
      />
    </div>
  );
}

/** The server's 429. It ends by itself, which the server tells with the next state. */
function Busy({ demo, client, path }: Props & { readonly path: string }): ReactElement {
  const on = client.busyUntil !== null && Date.parse(client.busyUntil) > Date.now();
  return (
    <Ask demo={demo} path={`${path}/busy`} does={`the server busy for ${client.name}`} hint="For 10 s the server answers it 429, and to come back later">
      {on ? '429 until ' + clock(Date.parse(client.busyUntil!)) : 'Busy (429)'}
    </Ask>
  );
}
