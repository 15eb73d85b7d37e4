import { beforeAll, describe, expect, it } from 'vitest';
import { deleteUser } from '@/repositories/accounts.ts';
import { systemAnalytics, userAnalytics } from '@/repositories/analytics.ts';
import { problemOf } from '../support/api.ts';
import { type Caller, type TestApplication, testApplication } from '../support/application.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();
let api: TestApplication;
let admin: Caller;
beforeAll(async () => {
  api = await testApplication(store);
  admin = await api.person({ metadata: { role: 'admin' } });
});

describe('GET /v1/analytics', () => {
  it('counts the days that are asked for, as they are at this moment', async () => {
    const caller = await api.person();
    await caller.post('/v1/generations', { type: 'text-to-image', prompt: 'A bay', quality: 'hd', count: 2 });
    const { id } = await (await caller.post('/v1/generations', { type: 'text-to-image', prompt: 'A bay' })).json();
    await caller.post(`/v1/generations/${id}/cancel`);
    const response = await caller.get('/v1/analytics?days=2');
    expect([response.status, await response.json()]).toEqual([
      200,
      {
        user: {
          id: expect.any(String),
          subscriptionTier: 'free',
          monthlyUsage: 4,
          remainingQuota: 6,
          totalImagesGenerated: 0,
        },
        analytics: {
          days: 2,
          timezone: 'UTC',
          totalGenerations: 2,
          byStatus: { pending: 1, processing: 0, completed: 0, failed: 0, cancelled: 1 },
          byType: {
            'text-to-image': 2,
            'image-to-image': 0,
            inpainting: 0,
            outpainting: 0,
            upscale: 0,
            variation: 0,
          },
          creditsUsed: 4,
          averageProcessingTime: 0,
          successRate: 0,
          dailyGenerations: [
            { date: '2026-03-09', total: 0, completed: 0, failed: 0, credits: 0 },
            { date: '2026-03-10', total: 2, completed: 0, failed: 0, credits: 4 },
          ],
        },
      },
    ]);
  });

  it('is the answer of the data layer, field for field', async () => {
    const caller = await api.person();
    const asked = { days: 7, timezone: 'Asia/Kathmandu' };
    const response = await caller.get('/v1/analytics?days=7&timezone=Asia/Kathmandu');
    expect(await response.json()).toEqual(await userAnalytics(store, { clerkUserId: caller.clerkUserId }, asked));
  });

  it('takes 30 days of UTC where nothing is asked', async () => {
    const answer = await (await (await api.person()).get('/v1/analytics')).json();
    expect(answer.analytics).toMatchObject({ days: 30, timezone: 'UTC' });
    expect(answer.analytics.dailyGenerations).toHaveLength(30);
  });

  it('takes every zone that the runtime knows', async () => {
    const caller = await api.person();
    for (const zone of [...Intl.supportedValuesOf('timeZone').filter((_, index) => index % 40 === 0), 'Etc/GMT-14']) {
      const response = await caller.get(`/v1/analytics?days=1&timezone=${encodeURIComponent(zone)}`);
      expect([zone, response.status]).toEqual([zone, 200]);
    }
  });

  it.each([
    ['days=0', 'days'],
    ['days=366', 'days'],
    ['days=1.5', 'days'],
    ['days=', 'days'],
    ['days=-1', 'days'],
    ['timezone=Mars/Olympus', 'timezone'],
    ['timezone=', 'timezone'],
    ['timezone=%2B05:30', 'timezone'],
    [`timezone=${'A'.repeat(65)}`, 'timezone'],
    ['timezone=Europe/Paris%00', 'timezone'],
    ['timezone=UTC&timezone=UTC', 'timezone'],
    ['tz=UTC', 'tz'],
  ])('refuses ?%s and names it', async (search, path) => {
    for (const caller of [await api.person(), admin]) {
      const at = caller === admin ? '/v1/admin/analytics' : '/v1/analytics';
      const problem = await problemOf(await caller.get(`${at}?${search}`));
      expect(problem).toMatchObject({ status: 400, code: 'validation_failed' });
      expect(new Set(problem.errors?.map((error) => error.path))).toEqual(new Set([path]));
    }
  });

  it('is told to a deleted account as to every route', async () => {
    const caller = await api.person();
    await caller.get('/v1/me');
    await deleteUser(store, { clerkUserId: caller.clerkUserId }, { kind: 'library' });
    expect(await problemOf(await caller.get('/v1/analytics'))).toMatchObject({ code: 'account_deleted' });
  });
});

describe('GET /v1/admin/analytics', () => {
  it('is the answer of the data layer for everybody, field for field', async () => {
    await (await api.person()).post('/v1/generations', { type: 'text-to-image', prompt: 'A bay' });
    const response = await admin.get('/v1/admin/analytics?days=3&timezone=America/New_York');
    const answer = await response.json();
    expect(answer).toEqual(await systemAnalytics(store, { days: 3, timezone: 'America/New_York' }));
    expect(answer.overview.activeUsers).toBeGreaterThan(0);
    expect(answer.trends.dailyTrends).toHaveLength(3);
  });
});
