// The page that the agent and the demo serve, with agents that are none.
import assert from 'node:assert/strict';
import { TestAgent } from '../agent.ts';
import { serve } from './site.mjs';
import { until } from './wait.mjs';

/** A channel that two clients share, over links that can be cut. */
class Chat {
  seq = 0;
  constructor(...agents) {
    this.agents = agents;
    for (const agent of agents) {
      agent.pending = [];
      agent.onSend = (m) => {
        agent.pending.push(m);
        this.flush(agent);
      };
    }
  }

  flush(agent) {
    const entries = agent.pending.map((m) => ({ ...m, state: 'queued', reason: '', seq: 0, at: '' }));
    agent.change({ outbox: { durable: true, queued: entries.length, blocked: {}, entries } });
    if (agent.isCut) return;
    for (const { channel, text, id } of agent.pending.splice(0)) {
      this.seq++;
      for (const other of this.agents) other.message(channel, this.seq, text, id, agent.snapshot.session.user);
    }
    agent.change({ outbox: { durable: true, queued: 0, blocked: {}, entries: [] } });
  }

  cut(agent) {
    agent.isCut = true;
    agent.change({
      quality: { level: 'offline', reach: 'offline', reason: 'silence' },
      connection: { state: 'reconnecting', attempt: 1, retryAt: new Date(Date.now() + 60_000).toISOString() },
    });
  }

  heal(agent) {
    agent.isCut = false;
    agent.change({ quality: { level: 'fair', reach: 'online', rttMs: 210 }, connection: { state: 'connected', synced: true } });
    this.flush(agent);
  }
}

export async function testDashboard(test, accessible, output) {
  await test('dashboard: what was written while cut arrives after', {}, async (page) => {
    const ada = new TestAgent();
    const bob = new TestAgent();
    bob.snapshot.session = { state: 'fresh', user: 'bob' };
    const chat = new Chat(ada, bob);
    const site = await serve({ ada, bob });
    try {
      await page.goto(`${site.origin}/#token=secret&panes=/ada,/bob`);
      const pane = (user) => page.getByRole('region', { name: user, exact: true });
      const shown = (user, text) => pane(user).locator('.messages li', { hasText: text }).waitFor();
      const say = async (user, text) => {
        await pane(user).getByLabel('Message', { exact: true }).fill(text);
        await pane(user).getByRole('button', { name: 'Send' }).click();
      };
      await pane('ada').locator('.chatsdk-indicator[data-status="excellent"]').waitFor();
      await say('ada', 'hello <b>bob</b>');
      await shown('bob', 'hello <b>bob</b>');

      chat.cut(ada);
      await pane('ada').locator('.chatsdk-indicator[data-status="offline"]').waitFor();
      await say('ada', 'written while cut');
      await pane('ada').locator('.outbox li', { hasText: 'written while cut waits' }).waitFor();
      assert.equal(await pane('bob').getByText('written while cut').count(), 0);
      await pane('ada').locator('.chatsdk-banner[data-status="offline"]').waitFor();
      await page.screenshot({ path: `${output}dashboard-cut.png` });
      await accessible(page);

      chat.heal(ada);
      await shown('bob', 'written while cut');
      await shown('ada', 'written while cut');
      assert.equal(await pane('ada').locator('.outbox').count(), 0);
      assert.equal(await pane('ada').locator('.chatsdk-banner').count(), 0);
      assert.equal(await pane('ada').locator('.messages li').count(), 2);

      await page.reload();
      await shown('bob', 'written while cut');
      assert.equal(await pane('bob').locator('.messages li').count(), 2);
    } finally {
      site.close();
    }
  });

  await test('dashboard: entries can be cancelled, files go with progress', { colorScheme: 'dark' }, async (page) => {
    const agent = new TestAgent();
    agent.snapshot.outbox = { entries: [{ id: 'm9', channel: 'general', text: 'too late', state: 'parked', reason: 'refused' }] };
    agent.snapshot.uploads = [
      { id: 'u', name: 'film.mp4', channel: 'general', sent: 80, total: 100, resumedFrom: 75, state: 'sending', bps: 8e6 },
    ];
    const site = await serve({ only: agent });
    try {
      await page.goto(`${site.origin}/#token=secret&panes=/only`);
      await page.locator('.uploads', { hasText: '80%, resumed from 75%, 1.0 MB/s' }).waitFor();
      await page.getByRole('button', { name: 'Cancel: too late' }).click();
      await page.getByRole('button', { name: 'Send again: too late' }).click();
      await page.getByLabel('File', { exact: true }).setInputFiles({ name: 'note.txt', mimeType: 'text/plain', buffer: Buffer.from('abc') });
      await until(() => agent.requests.includes('POST /v1/uploads'));
      const posts = agent.requests.filter((r) => r.startsWith('POST'));
      assert.deepEqual(posts, ['POST /v1/outbox/m9/cancel', 'POST /v1/outbox/m9/retry', 'POST /v1/uploads']);
      await page.screenshot({ path: `${output}dashboard-dark.png` });
      await accessible(page);
    } finally {
      site.close();
    }
  });
}
