import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { clerkDirectory } from '@/identity/directory.ts';
import { usersOf } from '@/models/collections.ts';
import { backfill } from '@/workflows/backfill.ts';
import { keptLog } from '../support/api.ts';
import { type Caller, type TestApplication, testApplication } from '../support/application.ts';
import { type PersonEvent, primaryOf } from '../support/clerk/people.ts';
import { CLERK_SECRET_KEY, type ClerkServer, startClerkServer } from '../support/clerk-server.ts';
import { signedClerkEvent } from '../support/clerkEvents.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();

let clerk: ClerkServer;
let app: TestApplication;
beforeAll(async () => {
  clerk = await startClerkServer({ now: () => store.clock.now() });
  app = await testApplication(store, { clerk: { secretKey: CLERK_SECRET_KEY, apiUrl: clerk.url } });
});
afterAll(() => clerk.close());

/** What may happen to one person: at Clerk, on the way from there, and here. */
const ACTIONS = ['signUp', 'change', 'remove', 'deliver', 'deliverTwice', 'lose', 'request', 'backfill'] as const;

const step = fc.record({ action: fc.constantFrom(...ACTIONS), pick: fc.nat(20) });
/** What is in one list happens at the same time. */
const history = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 });
type Step = { action: (typeof ACTIONS)[number]; pick: number };

class Life {
  private readonly pending: PersonEvent[] = [];
  /** Whoever has not has no token. */
  private hasSignedUp = false;
  private readonly caller: Caller;
  private readonly mayLose: boolean;

  constructor(caller: Caller, mayLose: boolean) {
    this.caller = caller;
    this.mayLose = mayLose;
  }

  private get id(): string {
    return this.caller.clerkUserId;
  }

  /** What happens at Clerk has happened when this returns; the rest when it resolves. */
  perform({ action, pick }: Step): Promise<void> {
    store.clock.advance(1);
    const isThere = clerk.people.find(this.id) !== undefined;
    const email = `at${store.clock.now().getTime()}@example.com`;
    if (action === 'signUp' && !isThere) {
      this.pending.push(clerk.people.signUp({ id: this.id, email }));
      this.hasSignedUp = true;
    }
    if (action === 'change' && isThere) {
      this.pending.push(clerk.people.change(this.id, { email, firstName: `Given ${pick}` }));
    }
    if (action === 'remove' && isThere) this.pending.push(clerk.people.remove(this.id));
    if (action === 'lose' && this.mayLose) this.take(pick);
    if (action === 'deliver') return this.deliver(this.take(pick));
    if (action === 'deliverTwice') return this.deliver(this.pending[pick % this.pending.length]);
    if (action === 'request' && this.hasSignedUp) return this.request();
    if (action === 'backfill') return this.backfill();
    return Promise.resolve();
  }

  private take(pick: number): PersonEvent | undefined {
    return this.pending.splice(pick % (this.pending.length || 1), 1)[0];
  }

  private async deliver(event: PersonEvent | undefined): Promise<void> {
    if (!event) return;
    const { raw, headers } = signedClerkEvent(event);
    expect((await app.request('/webhooks/clerk', { method: 'POST', body: raw, headers })).status).toBe(200);
    await app.inbox.drained();
  }

  /** A token is believed for a while, also of somebody whom Clerk has deleted. */
  private async request(): Promise<void> {
    expect((await this.caller.get('/v1/me')).status).toBeLessThan(500);
  }

  private async backfill(): Promise<void> {
    const { signal } = new AbortController();
    const patience = { log: keptLog().log, signal, callsPerSecond: 1_000_000 };
    const directory = clerkDirectory({ secretKey: CLERK_SECRET_KEY, apiUrl: clerk.url }, patience);
    const { found } = await backfill(app.ctx, {
      directory,
      deletesGone: true,
      signal,
      onProgress() {},
      onPerson() {},
    });
    expect(found.needPerson).toBe(0);
  }

  /** Everything that was not lost arrives. */
  async deliverRest(pick: number): Promise<void> {
    while (this.pending.length > 0) await this.deliver(this.take(pick));
  }
}

async function expectEqual(clerkUserId: string): Promise<void> {
  const there = clerk.people.find(clerkUserId);
  const here = await usersOf(store).findOne({ clerkUserId });
  if (!there) return expect(here?.isDeleted ?? true).toBe(true);
  expect(here).toMatchObject({
    isDeleted: false,
    email: primaryOf(there),
    name: `${there.first_name} ${there.last_name}`,
  });
}

async function play(steps: Step[][], pick: number, mayLose: boolean): Promise<string> {
  for (const { id } of clerk.people.all()) clerk.people.remove(id);
  await usersOf(store).deleteMany({});
  const caller = await app.person();
  const life = new Life(caller, mayLose);
  for (const together of steps) await Promise.all(together.map((one) => life.perform(one)));
  await life.deliverRest(pick);
  if (mayLose) await life.perform({ action: 'backfill', pick });
  return caller.clerkUserId;
}

it.each([
  ['all events, in whatever order, among first requests and back-fills', false],
  ['a back-fill, whatever events were lost, in whatever order the others came', true],
])(
  'a user is as Clerk says after %s',
  async (_, mayLose) => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(20), async (steps, pick) => {
        await expectEqual(await play(steps, pick, mayLose));
      }),
      { numRuns: 100 },
    );
  },
  120_000,
);
