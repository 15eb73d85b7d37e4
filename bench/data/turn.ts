import type { Types } from 'mongoose';
import { percentile } from '../table.ts';
import type { Contender } from './contenders.ts';
import { type CpuTimes, cpuTimes } from './usage.ts';

/** What one turn of a contender came to. */
export interface Turn {
  /** Calls answered, for each second up to the last answer. */
  rate: number;
  /** The same, for each second until everything behind the answers was done too. */
  rateWithWorkBehind: number;
  p50: number;
  p99: number;
  calls: number;
  /** Calls that had no answer when the turn had been over for {@link PATIENCE_MS}. */
  unanswered: number;
  cpu: CpuTimes;
}

export interface Load {
  callers: number;
  users: readonly Types.ObjectId[];
  seconds: number;
}

/** How long a call may go on behind the end of its turn: conflicts can keep one busy for minutes. */
const PATIENCE_MS = 1_000;

/** So many callers, each of whom calls again as soon as it is answered; users take turns. */
export async function takeTurn(
  { take, drained }: Contender,
  load: Load,
  serverPid: number | null = null,
): Promise<Turn> {
  const latencies: number[] = [];
  let unanswered = 0;
  let next = 0;
  const cpuBefore = cpuTimes(serverPid);
  const began = performance.now();
  const end = began + load.seconds * 1000;
  const signal = AbortSignal.timeout(load.seconds * 1000 + PATIENCE_MS);
  const call = async () => {
    for (;;) {
      const sent = performance.now();
      if (sent >= end) return;
      const user = load.users[next++ % load.users.length];
      if (!user) throw new Error('There are no users');
      try {
        await take(user, signal);
        latencies.push(performance.now() - sent);
      } catch (error) {
        if (!signal.aborted) throw error;
        unanswered += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: load.callers }, call));
  const lastAnswer = performance.now();
  await drained();
  const drainedAt = performance.now();
  const cpu = cpuTimes(serverPid);
  return {
    rate: (latencies.length * 1000) / (lastAnswer - began),
    rateWithWorkBehind: (latencies.length * 1000) / (drainedAt - began),
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    calls: latencies.length,
    unanswered,
    cpu: {
      client: cpu.client - cpuBefore.client,
      server: cpu.server === null || cpuBefore.server === null ? null : cpu.server - cpuBefore.server,
    },
  };
}
