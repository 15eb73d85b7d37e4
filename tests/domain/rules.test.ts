import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from '@/domain/cursor.ts';
import { creditsFor, IMAGE_QUALITIES } from '@/domain/generation.ts';
import { idempotencyOf } from '@/domain/idempotency.ts';
import { canMove, GENERATION_STATUSES, isFinal, sourcesOf } from '@/domain/lifecycle.ts';
import { quotaOf, quotaOfPeriod } from '@/domain/quota.ts';
import { SUBSCRIPTION_QUOTAS } from '@/domain/tiers.ts';

describe('tiers', () => {
  it('allow 10, 100 and 1000 credits a month', () => {
    expect(SUBSCRIPTION_QUOTAS).toEqual({ free: 10, plus: 100, pro: 1000 });
  });
});

describe('credits', () => {
  it('cost 1 for a standard image, 2 for an hd one, times the count', () => {
    const costs = IMAGE_QUALITIES.map((quality) => [1, 2, 3, 4].map((count) => creditsFor({ quality, count })));
    expect(costs).toEqual([
      [1, 2, 3, 4],
      [2, 4, 6, 8],
    ]);
  });
});

describe('the lifecycle of a generation', () => {
  it('has these moves and no others', () => {
    const moves = GENERATION_STATUSES.flatMap((from) =>
      GENERATION_STATUSES.filter((to) => canMove(from, to)).map((to) => `${from} to ${to}`),
    );
    expect(moves).toEqual([
      'pending to processing',
      'pending to failed',
      'pending to cancelled',
      'processing to pending',
      'processing to completed',
      'processing to failed',
    ]);
  });

  it('ends in completed, failed and cancelled', () => {
    expect(GENERATION_STATUSES.filter(isFinal)).toEqual(['completed', 'failed', 'cancelled']);
  });

  it('is cancelled from pending alone', () => {
    expect(sourcesOf('cancelled')).toEqual(['pending']);
  });
});

describe('quota', () => {
  const account = {
    subscriptionTier: 'free',
    monthlyUsage: 4,
    grantedCredits: 5,
    quotaAnchor: new Date('2027-01-31T10:00:00Z'),
    quotaResetDate: new Date('2027-02-28T10:00:00Z'),
  } as const;

  it('is the quota of the tier and the grants, less what was used', () => {
    expect(quotaOf(account, new Date('2027-02-01T00:00:00Z'))).toEqual({
      tier: 'free',
      limit: 15,
      used: 4,
      remaining: 11,
      resetsAt: account.quotaResetDate,
    });
  });

  it('is whole again, without the grants, from the reset date on, though nothing has written the reset', () => {
    expect(quotaOf(account, new Date('2027-03-30T00:00:00Z'))).toEqual({
      tier: 'free',
      limit: 10,
      used: 0,
      remaining: 10,
      resetsAt: new Date('2027-03-31T10:00:00Z'),
    });
  });

  it('of the period that an account is in can be told when that has ended, too', () => {
    expect(quotaOfPeriod(account)).toEqual(quotaOf(account, new Date('2027-02-01T00:00:00Z')));
  });

  it('never remains below zero after a downgrade', () => {
    const downgraded = { ...account, monthlyUsage: 700, grantedCredits: 0 };
    expect(quotaOf(downgraded, new Date('2027-02-01T00:00:00Z'))).toMatchObject({ used: 700, remaining: 0 });
  });
});

describe('an idempotent request', () => {
  const request = { route: 'POST /v1/generations', body: { prompt: 'a', count: 2, nested: { x: 1, y: [1, 2] } } };

  it('is recognised whatever the order of its fields', async () => {
    const again = { route: request.route, body: { nested: { y: [1, 2], x: 1 }, count: 2, prompt: 'a' } };
    expect(await idempotencyOf('user_a', 'key', again)).toEqual(await idempotencyOf('user_a', 'key', request));
  });

  it.each([
    ['another value', { ...request, body: { ...request.body, count: 3 } }],
    ['another field', { ...request, body: { ...request.body, style: 'oil' } }],
    ['another route', { ...request, route: 'POST /v1/quota/consume' }],
    ['another order in a list', { ...request, body: { ...request.body, nested: { x: 1, y: [2, 1] } } }],
  ])('is told from one with %s', async (_, other) => {
    const [a, b] = [await idempotencyOf('user_a', 'key', request), await idempotencyOf('user_a', 'key', other)];
    expect(a?.key).toBe(b?.key);
    expect(a?.fingerprint).not.toBe(b?.fingerprint);
  });

  it('has a key that belongs to one user, in letters that can name a field', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string(), fc.string({ minLength: 1 }), async (a, b, key) => {
        const [of, other] = [await idempotencyOf(a, key, request), await idempotencyOf(b, key, request)];
        expect(of?.key === other?.key).toBe(a === b);
        expect(of?.key).toMatch(/^[\w-]{43}$/);
      }),
    );
  });

  it('is none without a key', async () => {
    expect(await idempotencyOf('user_a', undefined, request)).toBeUndefined();
  });
});

describe('a cursor', () => {
  it('gives back what it was made from', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.integer(), fc.string({ unit: fc.constantFrom(...'abc123:-.') }))), (parts) => {
        expect(decodeCursor(encodeCursor(parts))).toEqual(parts);
        expect(encodeCursor(parts)).toMatch(/^[\w-]*$/);
      }),
    );
  });

  it('is null for a text that is none', () => {
    expect(decodeCursor('no cursor!')).toBeNull();
  });
});
