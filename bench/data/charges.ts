import { disconnectDB } from '../../src/config/database.ts';
import type { BenchOptions } from '../options.ts';
import { percentile, type Row, rounded } from '../table.ts';
import { type Sent, sentDuring } from './commands.ts';
import { type Contender, createContenders, signUpUsers } from './contenders.ts';
import { type BenchDatabase, type BenchStore, createDatabase, openStore } from './database.ts';
import { type Load, type Turn, takeTurn } from './turn.ts';

const CALLERS = [1, 32, 256];
const USERS = [1, 1_000];
const WARM_UP_SECONDS = 1.5;
const COUNTING_SECONDS = 0.2;

/**
 * Four ways to take a credit, on one database and one connection, in turns: what else the machine does meanwhile meets them all
 * alike, and the median of several turns leaves out what met one of them alone.
 */
export async function charges(options: BenchOptions): Promise<Row[]> {
  const database = await createDatabase();
  try {
    const [timed, counted] = await Promise.all([openStore(database), openStore(database, { monitorCommands: true })]);
    const rows = await compare({ database, timed, counted }, options);
    await Promise.all([disconnectDB(timed.connection), disconnectDB(counted.connection)]);
    return rows;
  } finally {
    await database.remove();
  }
}

interface Stage {
  database: BenchDatabase;
  timed: BenchStore;
  /** Commands are counted in turns of their own: to watch them costs time. */
  counted: BenchStore;
}

async function compare({ database, timed, counted }: Stage, { rounds, seconds }: BenchOptions): Promise<Row[]> {
  const everybody = await signUpUsers(timed, Math.max(...USERS));
  const contenders = await createContenders(timed);
  const watched = await createContenders(counted);
  for (const contender of contenders) {
    await takeTurn(contender, { callers: 32, users: everybody, seconds: WARM_UP_SECONDS });
  }
  const rows: Row[] = [];
  for (const users of USERS) {
    for (const callers of CALLERS) {
      const load = { callers, users: everybody.slice(0, users), seconds };
      const turns = await takeTurns(contenders, load, rounds, database.serverPid);
      const sent = await count(watched, counted, { ...load, seconds: COUNTING_SECONDS });
      const bare = turns[0] ?? [];
      for (const [index, { name }] of contenders.entries()) {
        rows.push({ users, callers, contender: name, ...summary(turns[index] ?? [], bare), ...sent[index] });
      }
    }
  }
  return rows;
}

/** Each begins a round in its turn, so that nobody always follows the same other. */
async function takeTurns(
  contenders: readonly Contender[],
  load: Load,
  rounds: number,
  serverPid: number | null,
): Promise<Turn[][]> {
  const turns: Turn[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (let place = 0; place < contenders.length; place += 1) {
      const index = (round + place) % contenders.length;
      const contender = contenders[index];
      if (contender) turns[index]?.push(await takeTurn(contender, load, serverPid));
    }
  }
  return turns;
}

async function count(contenders: readonly Contender[], { connection }: BenchStore, load: Load): Promise<Row[]> {
  const rows: Row[] = [];
  for (const contender of contenders) {
    let calls = 0;
    const { commands, errors }: Sent = await sentDuring(connection, async () => {
      calls = (await takeTurn(contender, load)).calls;
    });
    rows.push({ 'commands/call': perCall(commands, calls), 'errors/call': perCall(errors, calls) });
  }
  return rows;
}

/** A turn may end without an answer. */
function perCall(count: number, calls: number): number | string {
  return calls === 0 ? '-' : rounded(count / calls, 2);
}

function summary(turns: readonly Turn[], bare: readonly Turn[]): Row {
  const median = (of: (turn: Turn, round: number) => number) => percentile(turns.map(of), 0.5);
  const microseconds = (of: (turn: Turn) => number | null) => {
    const times = turns.map(of);
    if (times.includes(null)) return '-';
    const sum = times.reduce<number>((total, time) => total + (time ?? 0), 0);
    const calls = turns.reduce((all, turn) => all + turn.calls, 0);
    return calls === 0 ? '-' : rounded((sum * 1000) / calls);
  };
  return {
    'calls/s': rounded(median(({ rate }) => rate)),
    ratio: rounded(
      median(({ rate }, round) => rate / (bare[round]?.rate ?? Number.NaN)),
      2,
    ),
    'with work behind/s': rounded(median(({ rateWithWorkBehind }) => rateWithWorkBehind)),
    'p50 ms': rounded(
      median(({ p50 }) => p50),
      2,
    ),
    'p99 ms': rounded(
      median(({ p99 }) => p99),
      2,
    ),
    unanswered: turns.reduce((sum, { unanswered }) => sum + unanswered, 0),
    'client µs/call': microseconds(({ cpu }) => cpu.client),
    'server µs/call': microseconds(({ cpu }) => cpu.server),
  };
}
