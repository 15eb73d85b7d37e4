import fc from 'fast-check';
import { Types } from 'mongoose';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Allowance, perMinute } from '@/domain/rateLimit.ts';
import { rateLimitsOf } from '@/models/collections.ts';
import {
  createLimitMemory,
  type LimiterOptions,
  type SharedLimiter,
  sharedLimiter,
} from '@/repositories/sharedLimiter.ts';
import { commandsDuring } from '../support/commands.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();
const LENDING_MS = 60;
/** No test lasts as long. */
const NEVER_MS = 600_000;

afterEach(() => {
  vi.useRealTimers();
});

/** What one process has of a limit. */
const processOf = (limit: number, options: LimiterOptions = {}) =>
  sharedLimiter(store, createLimitMemory(perMinute(limit)), { lendingMs: LENDING_MS, ...options });

const newKey = () => `user_${new Types.ObjectId().toHexString()}`;
const counterOf = (key: string) => rateLimitsOf(store).findOne({ key });

async function takeInTurn(limiter: SharedLimiter, key: string, times: number): Promise<Allowance[]> {
  const allowances: Allowance[] = [];
  for (let time = 0; time < times; time += 1) allowances.push(await limiter.take(key));
  return allowances;
}

const countAllowed = (allowances: readonly Allowance[]) => allowances.filter(({ isAllowed }) => isAllowed).length;

describe('somebody who asks again and again', () => {
  it('costs few commands, and is told exactly what is left', async () => {
    const [limiter, key] = [processOf(1_000, { lendingMs: NEVER_MS }), newKey()];
    let allowances: Allowance[] = [];
    const commands = await commandsDuring(store.connection, async () => {
      allowances = await takeInTurn(limiter, key, 300);
    });
    expect(allowances.map(({ remaining }) => remaining)).toEqual(
      Array.from({ length: 300 }, (_, index) => 999 - index),
    );
    expect(commands.length).toBeLessThan(20);
    await limiter.stop();
  });

  it('has all that the limit says, and nothing more', async () => {
    const [limiter, key] = [processOf(60), newKey()];
    const allowances = await takeInTurn(limiter, key, 70);
    expect(allowances.map(({ isAllowed }) => isAllowed)).toEqual(Array.from({ length: 70 }, (_, index) => index < 60));
    await limiter.stop();
  });

  it('shares a command with himself where his requests meet', async () => {
    const [limiter, key] = [processOf(1_000), newKey()];
    let allowances: Allowance[] = [];
    const commands = await commandsDuring(store.connection, async () => {
      allowances = await Promise.all(Array.from({ length: 30 }, () => limiter.take(key)));
    });
    expect(commands).toEqual(['findAndModify', 'findAndModify']);
    expect(new Set(allowances.map(({ remaining }) => remaining)).size).toBe(30);
    await limiter.stop();
  });

  it('begins the next window with none of what was taken in the last', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    const [limiter, key] = [processOf(100, { lendingMs: NEVER_MS }), newKey()];
    await takeInTurn(limiter, key, 4);
    vi.setSystemTime(Date.now() + 60_000);
    expect((await limiter.take(key)).remaining).toBe(99);
    expect(await counterOf(key)).toMatchObject({ taken: 1 });
    await limiter.stop();
    expect(await counterOf(key)).toMatchObject({ points: 1, lent: 0 });
  });
});

describe('what was taken beforehand', () => {
  it('is given back when nobody asks any more', async () => {
    const [limiter, key] = [processOf(100), newKey()];
    await takeInTurn(limiter, key, 2);
    expect(await counterOf(key)).toMatchObject({ points: 3, lent: 1 });
    await vi.waitFor(async () => expect(await counterOf(key)).toMatchObject({ points: 2, lent: 0 }));
    await limiter.stop();
  });

  it('is given back by a process that ends', async () => {
    const [limiter, key] = [processOf(100, { lendingMs: NEVER_MS }), newKey()];
    await takeInTurn(limiter, key, 4);
    expect(await counterOf(key)).toMatchObject({ points: 5 + 2, lent: 3 });
    await limiter.stop();
    expect(await counterOf(key)).toMatchObject({ points: 4, lent: 0 });
  });

  it('is never of the last few', async () => {
    const [limiter, key] = [processOf(4), newKey()];
    await takeInTurn(limiter, key, 3);
    expect(await counterOf(key)).toMatchObject({ points: 3, lent: 0 });
    await limiter.stop();
  });

  it('is taken by no process that may not last', async () => {
    const [limiter, key] = [processOf(100, { borrows: false }), newKey()];
    const commands = await commandsDuring(store.connection, () => takeInTurn(limiter, key, 9));
    expect(commands).toHaveLength(9);
    expect(await counterOf(key)).toMatchObject({ points: 9, lent: 0 });
  });
});

describe('several processes', () => {
  it('refuse nobody for the sake of what another has taken beforehand: they wait for it', async () => {
    const [one, two, key] = [processOf(40), processOf(40), newKey()];
    await takeInTurn(one, key, 5);
    expect(await counterOf(key)).toMatchObject({ lent: expect.toSatisfy((lent: number) => lent > 0) });
    const allowances = await takeInTurn(two, key, 36);
    expect(allowances.map(({ isAllowed }) => isAllowed)).toEqual([...Array(35).fill(true), false]);
    await Promise.all([one.stop(), two.stop()]);
  });

  it('wait once for what a process took that was killed, and then refuse without a command', async () => {
    const [killed, other, key] = [processOf(40, { lendingMs: NEVER_MS }), processOf(40), newKey()];
    await takeInTurn(killed, key, 4);
    const lost = (await counterOf(key))?.lent ?? 0;
    const allowances = await takeInTurn(other, key, 40);
    expect(countAllowed(allowances)).toBe(36 - lost);
    expect(lost).toBeLessThan(4);
    expect(await commandsDuring(store.connection, () => takeInTurn(other, key, 5))).toEqual([]);
    await other.stop();
  });

  it('let through exactly what the limit says, however requests fall to them', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    console.info(`seed ${seed}`);
    const burst = fc.record({ at: fc.nat(2), size: fc.integer({ min: 1, max: 12 }), together: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.array(burst, { maxLength: 12 }), async (limit, bursts) => {
        const processes = [processOf(limit), processOf(limit), processOf(limit, { borrows: false })];
        const key = newKey();
        let asked = 0;
        let allowed = 0;
        const ask = async (at: number, size: number, together: boolean) => {
          const limiter = processes[at];
          if (!limiter) throw new Error('There are three');
          const allowances = together
            ? await Promise.all(Array.from({ length: size }, () => limiter.take(key)))
            : await takeInTurn(limiter, key, size);
          asked += size;
          allowed += countAllowed(allowances);
          expect(allowed).toBe(Math.min(asked, limit));
        };
        for (const { at, size, together } of bursts) await ask(at, size, together);
        await Promise.all(processes.map((limiter) => limiter.take(key)));
        await Promise.all(processes.map((limiter) => limiter.stop()));
        expect(await counterOf(key)).toMatchObject({ points: Math.min(asked + 3, limit), lent: 0 });
      }),
      { seed, numRuns: 40 },
    );
  });
});
