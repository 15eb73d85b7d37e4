import { beforeAll, describe, expect, it } from 'vitest';
import { usersOf } from '@/models/collections.ts';
import { settle } from '@/repositories/settlement.ts';
import { type TestApplication, testApplication } from '../support/application.ts';
import { useDatabase } from '../support/database.ts';
import { parseExposition, type Sample, sumOf } from '../support/exposition.ts';

const store = useDatabase();
let api: TestApplication;
beforeAll(async () => {
  api = await testApplication(store);
});

async function scrape(): Promise<Sample[]> {
  const response = await api.request('/metrics');
  expect(response.status).toBe(200);
  expect(response.headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return parseExposition(await response.text());
}

describe('GET /metrics', () => {
  it("is open, and Prometheus' text", async () => {
    const samples = await scrape();
    expect(samples.length).toBeGreaterThan(0);
    expect((await api.request('/metrics', { method: 'POST' })).status).toBe(405);
  });

  it('counts answers by pattern and status, however many paths, methods and users there are', async () => {
    const caller = await api.person();
    for (let index = 0; index < 30; index += 1) {
      await caller.get(`/v1/generations/${index}`);
      await caller.get(`/nowhere/${index}`);
      await api.request('/healthz', { method: `ODD${index}` });
    }
    const samples = await scrape();
    const answers = samples.filter(({ name }) => name === 'artifex_http_requests_total');
    expect(sumOf(answers, 'artifex_http_requests_total', { route: '/v1/generations/:id', status: '404' })).toBe(30);
    expect(sumOf(answers, 'artifex_http_requests_total', { method: 'other', status: '405' })).toBe(30);
    expect(sumOf(answers, 'artifex_http_requests_total', { status: '404' })).toBe(60);
    expect(answers.length).toBeLessThan(12);
    expect(JSON.stringify(samples)).not.toMatch(/nowhere|ODD|user_/);
  });

  it('tells how often a cache had what was asked of it', async () => {
    const before = await scrape();
    const caller = await api.person();
    await caller.get('/v1/generations');
    await caller.get('/v1/generations');
    const gained = (after: Sample[], result: string) => {
      const labels = { cache: 'identities', result };
      return sumOf(after, 'artifex_cache_lookups_total', labels) - sumOf(before, 'artifex_cache_lookups_total', labels);
    };
    const after = await scrape();
    expect(gained(after, 'miss')).toBe(1);
    expect(gained(after, 'hit')).toBe(1);
  });

  it('does not count together with another application of the process', async () => {
    const other = await testApplication(store);
    const response = await other.request('/metrics');
    const samples = parseExposition(await response.text());
    expect(sumOf(samples, 'artifex_http_requests_total')).toBe(0);
  });
});

describe('what moves credits', () => {
  it('is counted once it stands in the ledger, by its kind, with its credits', async () => {
    const before = await scrape();
    const caller = await api.person();
    await caller.post('/v1/quota/consume', { credits: 3 });
    const made = await caller.post('/v1/generations', { type: 'text-to-image', prompt: 'A lake', count: 2 });
    const { id, credits } = await made.json();
    await caller.post(`/v1/generations/${id}/cancel`);
    const user = await usersOf(store).findOne({ clerkUserId: caller.clerkUserId });
    if (!user) throw new Error('They have just been charged');
    await settle(store, [user._id]);
    await settle(store, [user._id]);
    const after = await scrape();
    const grown = (name: string, kind: string) => sumOf(after, name, { kind }) - sumOf(before, name, { kind });
    expect(grown('artifex_ledger_entries_total', 'charge')).toBe(2);
    expect(grown('artifex_ledger_credits_total', 'charge')).toBe(3 + credits);
    expect(grown('artifex_ledger_entries_total', 'refund')).toBe(1);
    expect(grown('artifex_ledger_credits_total', 'refund')).toBe(credits);
  });
});

describe('alerts of quota', () => {
  it('are logged and counted at 80 and at 100 percent, once a period each, by id and never by address', async () => {
    const caller = await api.person({ email: 'secret@example.com' });
    const alerts = () =>
      api.lines.filter(({ msg }) => msg === 'quota alert').map(({ level: _, time: __, ...rest }) => rest);
    await caller.post('/v1/quota/consume', { credits: 7 });
    expect(alerts()).toEqual([]);
    await caller.post('/v1/quota/consume', { credits: 1 });
    await caller.post('/v1/quota/consume', { credits: 1 });
    await caller.post('/v1/quota/consume', { credits: 1 }, { 'Idempotency-Key': 'last' });
    await caller.post('/v1/quota/consume', { credits: 1 }, { 'Idempotency-Key': 'last' });
    const user = await usersOf(store).findOne({ clerkUserId: caller.clerkUserId });
    const userId = user?._id.toHexString();
    expect(alerts()).toEqual([
      { msg: 'quota alert', userId, tier: 'free', percent: 80 },
      { msg: 'quota alert', userId, tier: 'free', percent: 100 },
    ]);
    const samples = await scrape();
    expect(sumOf(samples, 'artifex_quota_alerts_total', { tier: 'free', level: '80' })).toBe(1);
    expect(sumOf(samples, 'artifex_quota_alerts_total', { tier: 'free', level: '100' })).toBe(1);
    expect(JSON.stringify(api.lines)).not.toContain('secret@example.com');
  });
});
