import { Types } from 'mongoose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { usersOf } from '@/models/collections.ts';
import { readJobState } from '@/repositories/jobLeases.ts';
import { useDatabase } from '../support/database.ts';
import { startProcess } from '../support/processes.ts';
import { createPrice, sellArtifex } from '../support/stripe/catalogue.ts';
import { customerNaming } from '../support/stripe/customers.ts';
import { noFaults } from '../support/stripe/faults.ts';
import { subscribe } from '../support/stripe/lifecycle.ts';
import { type StripeServer, startStripeServer } from '../support/stripe-server.ts';

const store = useDatabase();
/** Two pages and a part of one. */
const SOLD = 220;

let server: StripeServer;
beforeEach(async () => {
  server = await startStripeServer();
});
afterEach(() => server.close());

/** Everybody has bought one, and nobody here was told. */
async function sellToMany(): Promise<void> {
  const { world } = server;
  const product = sellArtifex(world);
  const price = createPrice(world, { product, unit_amount: '900', lookup_key: 'artifex_plus' });
  const users = await store.models.User.insertMany(
    Array.from({ length: SOLD }, () => ({ clerkUserId: `user_${new Types.ObjectId().toHexString()}` })),
  );
  for (const { _id } of users) {
    subscribe(world, { customer: customerNaming(world, _id), price, metadata: { userId: _id.toHexString() } });
  }
  // What was not delivered has a test of its own.
  for (const event of world.events.values()) event.pending_webhooks = 0;
}

const command = (env: Record<string, string> = {}) =>
  startProcess('bun', ['scripts/reconcile.ts'], {
    MONGODB_URI: store.uri,
    STRIPE_SECRET_KEY: 'sk_test_1',
    STRIPE_API_BASE: server.url,
    FIELD_ENCRYPTION_KEYS: `tests:${btoa('0123456789abcdef0123456789abcdef')}`,
    LOG_LEVEL: 'silent',
    ...env,
  });

async function ended(started: ReturnType<typeof command>) {
  await started.closed;
  return { status: started.child.exitCode, output: started.output };
}

/** Of the list, and not of one customer. */
const pagesAsked = () =>
  server.calls.filter(({ pattern, params }) => pattern === 'GET /v1/subscriptions' && params['customer'] === undefined);

describe('npm run reconcile', () => {
  it('goes on where it was killed, and reports the whole', { timeout: 90_000 }, async () => {
    await sellToMany();
    const inSecondPage = Promise.withResolvers<void>();
    // A page, two looks at each of its hundred customers, the next page, and thirty of its customers.
    const lived = 1 + 2 * 100 + 1 + 2 * 30;
    server.faults = () => {
      if (server.calls.length < lived) return null;
      inSecondPage.resolve();
      return 'cut';
    };
    const victim = command();
    await inSecondPage.promise;
    await victim.kill();
    server.faults = noFaults;
    const state = await readJobState(store, 'billing-reconcile');
    expect(state).toMatchObject({ lastRun: { outcome: 'running' }, progress: { found: { repaired: 100 } } });

    const tooEarly = await ended(command());
    expect([tooEarly.status, tooEarly.output]).toEqual([
      1,
      [expect.stringMatching(/^It is being run by .*lease ends/)],
    ]);

    const before = pagesAsked().length;
    // The lease of the dead has run out by then.
    const successor = await ended(command({ ARTIFEX_CLOCK_OFFSET: '60' }));
    expect(successor.output[0]).toMatch(/^goes on with the run that began at /);
    // What was repaired of the page under way counts as equal.
    expect(successor.output.at(-1)).toBe(
      `equal 30, repaired ${SOLD - 30}, unknown 0, need a person 0, events taken in 0`,
    );
    expect(successor.status).toBe(0);
    // Whether its place is still there, and the two pages behind it.
    expect(pagesAsked().length - before).toBe(3);
    expect(await usersOf(store).countDocuments({ subscriptionTier: 'plus' })).toBe(SOLD);

    const calls = server.calls.length;
    const third = await ended(command({ ARTIFEX_CLOCK_OFFSET: '60' }));
    expect(third.output.at(-1)).toBe(`equal ${SOLD}, repaired 0, unknown 0, need a person 0, events taken in 0`);
    // Three pages of subscriptions and one of events.
    expect(server.calls.length - calls).toBe(4);
  });

  it('ends with status 1 and a line where Stripe is out of reach, and where nobody knows its key', async () => {
    server.goDark();
    const dark = await ended(command({ ARTIFEX_CLOCK_OFFSET: '120' }));
    expect([dark.status, dark.output]).toEqual([1, [expect.stringMatching(/^It failed: .*Stripe is out of reach/)]]);
    const keyless = await ended(command({ STRIPE_SECRET_KEY: '' }));
    expect([keyless.status, keyless.output]).toEqual([1, [expect.stringContaining('STRIPE_SECRET_KEY is not set')]]);
  });
});
