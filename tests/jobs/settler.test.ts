import { Types } from 'mongoose';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLog } from '@/config/log.ts';
import { LEISURE_MS } from '@/domain/ledger.ts';
import { createSettler, type Settler } from '@/jobs/settler.ts';

const log = createLog({ level: 'silent', write() {} });
const AT_LEISURE = { isWaitedFor: false };

describe('the settler', () => {
  let settled: string[][];
  let settler: Settler;

  beforeEach(() => {
    vi.useFakeTimers();
    settled = [];
    const settle = async (users: Types.ObjectId[]) => {
      settled.push(users.map(String));
      return { entriesSettled: users.length, generationsAdmitted: 0, accountsMoved: users.length };
    };
    settler = createSettler(settle, log, { jobEnded() {}, jobSucceededAt() {} });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it('settles what somebody waits for within 20 ms, and leaves to its leisure what nobody does', async () => {
    const [soon, later] = [new Types.ObjectId(), new Types.ObjectId()];
    settler.notice(later, AT_LEISURE);
    settler.notice(soon);
    await vi.advanceTimersByTimeAsync(20);
    expect(settled).toEqual([[String(soon)]]);
    await vi.advanceTimersByTimeAsync(LEISURE_MS - 21);
    expect(settled).toEqual([[String(soon)]]);
    await vi.advanceTimersByTimeAsync(41);
    expect(settled).toEqual([[String(soon)], [String(later)]]);
  });

  it('settles an account at once when many entries have gathered, so that it does not grow', async () => {
    const hot = new Types.ObjectId();
    for (let entry = 0; entry < 16; entry += 1) settler.notice(hot, AT_LEISURE);
    await vi.advanceTimersByTimeAsync(20);
    expect(settled).toEqual([[String(hot)]]);
  });

  it('settles everything before it is drained, without waiting for its time', async () => {
    const user = new Types.ObjectId();
    settler.notice(user, AT_LEISURE);
    const drained = settler.drained();
    await vi.advanceTimersByTimeAsync(20);
    await drained;
    expect(settled).toEqual([[String(user)]]);
  });
});
