import { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { createAdmitter } from '@/jobs/admitter.ts';
import { keptLog } from '../support/api.ts';

const ids = Array.from({ length: 4 }, () => new Types.ObjectId());
const [a, b, c] = ids;

function admitting(admit: (userIds: Types.ObjectId[]) => Promise<number>) {
  const { log, lines } = keptLog();
  let woken = 0;
  const wake = () => {
    woken += 1;
  };
  const admitter = createAdmitter(admit, wake, log);
  return { admitter, lines, woken: () => woken };
}

describe('letting generations in behind the requests', () => {
  it('takes together who is noticed while it is under way, each once, one batch at a time', async () => {
    const batches: Types.ObjectId[][] = [];
    const first = Promise.withResolvers<void>();
    const began = Promise.withResolvers<void>();
    const { admitter, woken } = admitting(async (userIds) => {
      batches.push(userIds);
      began.resolve();
      if (batches.length === 1) await first.promise;
      return userIds.length;
    });
    if (!a || !b || !c) throw new Error('There are four');
    admitter.notice(a);
    await began.promise;
    for (const id of [b, c, b]) admitter.notice(id);
    expect(batches).toEqual([[a]]);
    first.resolve();
    expect(await admitter.entered()).toBe(true);
    expect(batches).toEqual([[a], [b, c]]);
    expect(woken()).toBe(2);
    expect(await admitter.entered()).toBe(false);
  });

  it('leaves to the settlement what fails, wakes nobody for nothing, and goes on', async () => {
    let calls = 0;
    const { admitter, lines, woken } = admitting(async () => {
      calls += 1;
      if (calls === 1) throw new Error('away');
      return 0;
    });
    for (const id of ids.slice(0, 2)) {
      admitter.notice(id);
      await admitter.entered();
    }
    expect([calls, woken(), lines.length]).toEqual([2, 0, 1]);
  });
});
