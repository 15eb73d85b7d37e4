import { type EmbeddedMongo, startEmbeddedMongo } from 'embedded-mongo';
import { afterAll, describe, expect, it } from 'vitest';
import { ledgerOf } from '@/models/collections.ts';
import { sweep } from '@/workflows/sweep.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { faultsIn, readBooks } from '../support/books.ts';
import { useCluster } from '../support/cluster.ts';
import { contextOf, NO_GRACE } from '../support/context.ts';
import { useDatabase } from '../support/database.ts';
import { type Runtime, type ServerProcess, startProcess } from '../support/processes.ts';
import { createCaller, isId, type Told } from './soak/load.ts';
import { median, residentKilobytes } from './soak/memory.ts';

const SECONDS = Number(process.env['SOAK_SECONDS'] ?? 15);
const SEED = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
const KILL_EVERY_MS = 5_000;
const CALLERS = 6;
/** The first two are killed in turn; the others live through all of it, so that their memory can be watched. */
const PROCESSES: readonly { runtime: Runtime; env: Record<string, string> }[] = [
  { runtime: 'bun', env: {} },
  { runtime: 'node', env: {} },
  { runtime: 'bun', env: { ARTIFEX_WORKER: 'off' } },
  { runtime: 'node', env: { ARTIFEX_WORKER: 'off' } },
];
const MORTAL = 2;
/** Between the second and the last quarter of the time; what a leak of a request's size would exceed within a minute. */
const MOST_GROWTH_KB = 64 * 1024;
/** Of a pool of 32, and what the driver keeps to watch the server, for each process. */
const CONNECTIONS_EACH = 36;
/** What this test itself may hold at most: a few of a pool, and two to watch the server. */
const OWN_CONNECTIONS = 10;

let own: EmbeddedMongo | undefined;
// Hooks run in the reverse order: the server goes after whatever uses it.
afterAll(() => own?.stop());
/** A server of its own, whose connections are nobody else's. */
const store = useDatabase(async (name) => {
  own = await startEmbeddedMongo();
  return own.uriFor(name);
});
const cluster = useCluster(store);

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function connections(): Promise<number> {
  const status = await store.connection.db?.command({ serverStatus: 1 });
  return Number(status?.['connections'].current);
}

/** https://en.wikipedia.org/wiki/Linear_congruential_generator, with the constants of Numerical Recipes. */
function createRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe(`four API processes over one database, one killed every ${KILL_EVERY_MS / 1000} seconds`, () => {
  it(
    `keep every promise for ${SECONDS} seconds, and leak nothing (FC_SEED=${SEED})`,
    async () => {
      const random = createRandom(SEED);
      const start = (slot: number): Promise<ServerProcess> => {
        const { runtime, env } = PROCESSES[slot % PROCESSES.length] ?? { runtime: 'bun', env: {} };
        return cluster.start(runtime, { RATE_LIMIT_QUOTA_PER_MINUTE: '1000000', ...env });
      };
      const servers = await Promise.all(PROCESSES.map((_, slot) => start(slot)));
      const told: Told = {
        keyed: [],
        deleted: new Set(),
        perhapsDeleted: new Set(),
        cancelled: new Set(),
        requests: 0,
        unanswered: 0,
        wrong: [],
      };
      const load = {
        servers: () => servers,
        random,
        newPerson: cluster.newPerson,
        authorizationOf: cluster.authorizationOf,
      };
      const callers = Array.from({ length: CALLERS }, () => createCaller(load, told));

      const endsAt = performance.now() + SECONDS * 1000;
      const isOver = () => performance.now() >= endsAt;
      const memory = servers.slice(MORTAL).map((): number[] => []);
      let mostConnections = 0;
      let kills = 0;

      async function watch(): Promise<void> {
        while (!isOver()) {
          mostConnections = Math.max(mostConnections, await connections());
          servers.slice(MORTAL).forEach(({ child }, index) => {
            memory[index]?.push(residentKilobytes(child.pid) ?? 0);
          });
          await sleep(500);
        }
      }

      async function killInTurn(): Promise<void> {
        for (;;) {
          await sleep(Math.max(0, Math.min(KILL_EVERY_MS, endsAt - performance.now())));
          if (isOver()) return;
          const slot = kills % MORTAL;
          await servers[slot]?.kill();
          kills += 1;
          servers[slot] = await start(slot);
        }
      }

      const calling = callers.map(async (caller) => {
        while (!isOver()) await caller.act();
      });
      await Promise.all([...calling, watch(), killInTurn()]);

      // Whatever was not answered is asked once more, and whatever was, is answered again as it was.
      for (const keyed of told.keyed) await callers[0]?.ask(keyed);
      expect(told.wrong).toEqual([]);
      expect(await Promise.all(servers.map((server) => server.end()))).toEqual(servers.map(() => 0));
      while ((await connections()) > OWN_CONNECTIONS) await sleep(50);
      expect(mostConnections).toBeLessThanOrEqual(OWN_CONNECTIONS + PROCESSES.length * CONNECTIONS_EACH);

      // Leases of the killed end, and a sweeper comes by.
      store.clock.set(new Date(Date.now() + 16 * 60_000));
      await sweep(contextOf(store), NO_GRACE);
      await sweep(contextOf(store), NO_GRACE);
      const check = startProcess('bun', ['scripts/checkLedger.ts'], { MONGODB_URI: store.uri });
      await check.closed;
      expect({ status: check.child.exitCode, output: check.output.slice(-5) }).toMatchObject({ status: 0 });
      const books = await readBooks(store);
      expect(books.flatMap((each) => faultsIn(each, store.clock.now()))).toEqual([]);
      expect(await verifyLedger(store)).toMatchObject({ usersChecked: books.length, violations: [] });

      const paid = told.keyed.map(({ answered }) => answered).filter(isId);
      expect(new Set(paid).size, 'every key has its own').toBe(paid.length);
      expect(await ledgerOf(store).countDocuments({ kind: 'charge' }), 'one charge a key').toBe(paid.length);
      const generations = new Map(
        books.flatMap((each) => each.generations).map((each) => [each._id.toHexString(), each]),
      );
      for (const id of told.deleted) expect(generations.get(id)?.isDeleted ?? true).toBe(true);
      for (const id of told.cancelled) expect(generations.get(id)?.status).toBe('cancelled');

      const growth = memory.map((samples) => {
        const quarter = Math.ceil(samples.length / 4);
        return median(samples.slice(-quarter)) - median(samples.slice(quarter, 2 * quarter));
      });
      expect(Math.max(...growth), 'kilobytes that a process has grown by').toBeLessThan(MOST_GROWTH_KB);
    },
    SECONDS * 1000 + 180_000,
  );
});
