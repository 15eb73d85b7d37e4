import { type Allowance, allowanceOf, type RateLimit } from '../domain/rateLimit.ts';
import type { RateLimit as Counter } from '../models/RateLimit.ts';
import type { Taking } from './rateLimits.ts';

/** What a lane needs of the limit that it is a part of. */
export interface LanePort {
  limit: RateLimit;
  /** Milliseconds that a process keeps what it has taken beforehand. */
  lendingMs: number;
  /** Whether this one takes anything beforehand. */
  borrows: boolean;
  /** Asks the shared count. */
  ask(taking: Taking): Promise<Counter>;
  giveBack(counter: Counter, left: number): Promise<void>;
  /** Told when somebody has nothing left in any process. */
  exhausted(until: Date): void;
  /** Counts one request without the others, since the shared count has failed. */
  countAlone(): Promise<Allowance>;
}

/** The requests of one person in one process. */
export interface Lane {
  take(): Allowance | Promise<Allowance>;
  /** Gives back what was not used in time, or at once. Resolves with true where nobody asks any more. */
  rest(atOnce?: boolean): Promise<boolean>;
}

type Waiting = (allowance: Allowance | Promise<Allowance>) => void;

/** The most requests that are let through without a command between them. */
const MOST_LENT = 32;

/** By how much longer others wait for what is lent, so that it has been given back by then. */
const GRACE = 1.5;

export function createLane({ limit, lendingMs, borrows, ask, giveBack, exhausted, countAlone }: LanePort): Lane {
  const waiting: Waiting[] = [];
  let isBusy = false;
  let askedAt = performance.now();
  /** The last answer of the shared count, while its loan is not given back. */
  let counter: Counter | undefined;
  /** What is left of that loan, and what the next one is to be. */
  let [left, wish] = [0, 0];

  function fromHand(): Allowance | undefined {
    if (!counter || left === 0) return undefined;
    const resetsInMs = counter.expire.getTime() - Date.now();
    if (resetsInMs <= 0) return undefined;
    left -= 1;
    return allowanceOf(limit, counter.points - left, resetsInMs);
  }

  async function askFor(needed: number): Promise<Counter> {
    const repaid = counter && counter.expire.getTime() > Date.now() ? counter.spare : 0;
    [counter, left, askedAt] = [undefined, 0, performance.now()];
    const said = await ask({ needed, spare: wish, repaid });
    [counter, left] = [said, said.spare];
    wish = borrows ? Math.min(2 * said.spare + 1, MOST_LENT) : 0;
    return said;
  }

  async function answerAll(): Promise<void> {
    isBusy = true;
    while (waiting.length > 0) {
      const asking = waiting.splice(0);
      await answer(asking).catch(() => {
        for (const resolve of asking) resolve(countAlone());
      });
      serveFromHand();
    }
    isBusy = false;
  }

  function serveFromHand(): void {
    while (waiting.length > 0) {
      const allowance = fromHand();
      if (!allowance) return;
      waiting.shift()?.(allowance);
    }
  }

  /** Takes those whom it answers out of the list. */
  async function answer(asking: Waiting[]): Promise<void> {
    let said = await askFor(asking.length);
    allow(said, asking.splice(0, said.taken));
    if (asking.length > 0 && said.lent > 0) {
      await new Promise((resolve) => setTimeout(resolve, lendingMs * GRACE));
      said = await askFor(asking.length);
      allow(said, asking.splice(0, said.taken));
    }
    if (asking.length === 0) return;
    exhausted(said.expire);
    const refusal = allowanceOf(limit, limit.limit + 1, said.expire.getTime() - Date.now());
    for (const resolve of asking.splice(0)) resolve(refusal);
  }

  function allow({ points, taken, spare, expire }: Counter, asking: readonly Waiting[]): void {
    const before = points - spare - taken;
    const resetsInMs = expire.getTime() - Date.now();
    for (const [index, resolve] of asking.entries()) resolve(allowanceOf(limit, before + index + 1, resetsInMs));
  }

  return {
    take() {
      const allowance = waiting.length === 0 ? fromHand() : undefined;
      if (allowance) return allowance;
      return new Promise((resolve) => {
        waiting.push(resolve);
        if (!isBusy) void answerAll();
      });
    },
    async rest(atOnce = false) {
      if (isBusy || (!atOnce && performance.now() - askedAt < lendingMs)) return false;
      const loan = counter;
      const unused = left;
      [counter, left, askedAt] = [undefined, 0, performance.now()];
      wish = (loan?.spare ?? 0) - unused;
      if (loan && loan.spare > 0) await giveBack(loan, unused);
      return wish === 0 && !isBusy && waiting.length === 0;
    },
  };
}
