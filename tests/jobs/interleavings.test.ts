import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { scheduleOf } from '@/jobs/schedule.ts';
import { jobStatesOf } from '@/models/collections.ts';
import type { JobState } from '@/models/JobState.ts';
import {
  abandonLostJob,
  claimDueJob,
  endJob,
  forgetFuture,
  giveJobBack,
  type JobLease,
  prepareJob,
  readJobState,
  renewJobLease,
} from '@/repositories/jobLeases.ts';
import { START, useDatabase } from '../support/database.ts';
import { type Fate, Interleaving } from '../support/interleave.ts';

const store = useDatabase();
const RUNS = Number(process.env['INTERLEAVING_RUNS'] ?? 100);
const LEASE_MS = 30_000;
const schedule = scheduleOf('* * * * *');

const turns = fc.array(
  fc.record({ renewals: fc.nat({ max: 2 }), end: fc.constantFrom('succeeds', 'succeeds', 'fails', 'stops') }),
  { minLength: 1, maxLength: 4 },
);
type Turn = typeof turns extends fc.Arbitrary<(infer T)[]> ? T : never;

const choices = fc.record({
  index: fc.nat(),
  /** Seconds that pass before the next command: sometimes an instant's worth, sometimes a lease's. */
  seconds: fc.constantFrom(0, 0, 0, 5, 20, 31, 61),
  fate: fc.constantFrom<Fate>('lives', 'lives', 'lives', 'lives', 'lives', 'before', 'after'),
});

/** What a process does that runs the job again and again, as the scheduler does it. */
async function work(holder: string, todo: readonly Turn[], ended: Date[]): Promise<void> {
  for (const { renewals, end } of todo) {
    const instant = schedule.latest(store.clock.now());
    const claim = { job: 'work', instant, holder, leaseMs: LEASE_MS };
    let lease: JobLease | null = await claimDueJob(store, claim);
    const refused = lease ? null : await readJobState(store, 'work');
    if (refused && !(await forgetFuture(store, refused, claim))) await abandonLostJob(store, claim);
    for (let renewal = 0; lease && renewal < renewals; renewal += 1)
      lease = await renewJobLease(store, lease, LEASE_MS);
    if (!lease) continue;
    if (end === 'stops') await giveJobBack(store, lease);
    else if (end === 'fails') await endJob(store, lease, { outcome: 'failed', error: 'no' });
    else if (await endJob(store, lease, { outcome: 'succeeded', result: { done: 1 } })) ended.push(lease.instant);
  }
}

async function stateNow(): Promise<JobState> {
  const state = await readJobState(store, 'work');
  if (!state) throw new Error('The job was never prepared');
  return state;
}

describe('the leases of a job', () => {
  beforeAll(() => store.clock.set(START));

  it(`hold in ${RUNS} random interleavings with crashes (seed 1)`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(turns, { minLength: 2, maxLength: 4 }),
        fc.infiniteStream(choices),
        async (todo, next) => {
          store.clock.set(START);
          await jobStatesOf(store).deleteMany({});
          await prepareJob(store, 'work', schedule.latest(store.clock.now()));
          store.clock.advance(60_000);
          const interleaving = new Interleaving();
          const ended: Date[] = [];
          const processes = todo.map((own, index) => interleaving.start(() => work(`process ${index}`, own, ended)));
          let before = await stateNow();
          await interleaving.play(
            () => {
              const { value } = next.next();
              store.clock.advance(value.seconds * 1000);
              return value;
            },
            async () => {
              const now = await stateNow();
              expect(now.fence).toBeGreaterThanOrEqual(before.fence);
              expect(now.doneFor >= before.doneFor).toBe(true);
              expect(now.attempts).toBeLessThanOrEqual(3);
              // By the clock of whoever claims, a lease that runs goes to nobody else before it is given back.
              if (before.lease && now.lastRun && now.fence !== before.fence) {
                expect(before.lease.expiresAt <= now.lastRun.startedAt).toBe(true);
              }
              before = now;
            },
          );
          await Promise.all(processes);
          expect(new Set(ended.map(String)).size).toBe(ended.length);

          // Whoever comes after all of them brings the newest instant to its end.
          store.clock.advance(LEASE_MS + 60_000);
          await work('successor', [{ renewals: 1, end: 'succeeds' }], ended);
          expect(await stateNow()).toMatchObject({ doneFor: schedule.latest(store.clock.now()) });
          expect(await stateNow()).not.toHaveProperty('lease');
        },
      ),
      { seed: 1, numRuns: RUNS },
    );
  }, 120_000);
});
