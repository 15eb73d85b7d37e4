import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { generationsOf, ledgerOf } from '@/models/collections.ts';
import { verifyLedger } from '@/workflows/verifyLedger.ts';
import { useCluster } from '../support/cluster.ts';
import { readUser, signUp, useDatabase } from '../support/database.ts';
import type { ServerProcess } from '../support/processes.ts';

const store = useDatabase();
const cluster = useCluster(store);
const IMAGE = JSON.stringify({ type: 'text-to-image', prompt: 'A quiet bay' });
const KILLS = 4;
const CALLERS = 8;
const created = z.object({ id: z.string() });

/** Asks for the generation of `key`; null when the process died under it. */
async function ask(server: ServerProcess, Authorization: string, key: string): Promise<string | null> {
  try {
    const response = await fetch(`${server.url}/v1/generations`, {
      method: 'POST',
      headers: { Authorization, 'Content-Type': 'application/json', 'Idempotency-Key': key },
      body: IMAGE,
    });
    if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
    return created.parse(await response.json()).id;
  } catch (error) {
    if (error instanceof TypeError || (error instanceof Error && error.cause !== undefined)) return null;
    throw error;
  }
}

describe('a server that is killed under load', () => {
  it(`${KILLS} times charges each key once, and gives each key its generation`, async () => {
    const user = await signUp(store, 'pro');
    const { clerkUserId } = await readUser(store, user);
    const Authorization = await cluster.authorizationOf(clerkUserId);
    const answered = new Map<string, string>();
    const asked = new Set<string>();

    for (let round = 0; round < KILLS; round += 1) {
      const server = await cluster.start(round % 2 === 0 ? 'bun' : 'node');
      let dead = false;
      const callers = Array.from({ length: CALLERS }, async (_, caller) => {
        for (let index = 0; !dead && index < 12; index += 1) {
          const key = `${round}-${caller}-${index}`;
          asked.add(key);
          const id = await ask(server, Authorization, key);
          if (id !== null) answered.set(key, id);
        }
      });
      // The moment of death is any moment of the load: after some of the answers of this round.
      const enough = asked.size + 5 + Math.floor(Math.random() * 40);
      while (asked.size < enough) await new Promise((resolve) => setImmediate(resolve));
      await server.kill();
      dead = true;
      await Promise.all(callers);
    }

    const server = await cluster.start('bun');
    for (const key of asked) {
      const id = await ask(server, Authorization, key);
      expect(id).toBe(answered.get(key) ?? id);
      if (id !== null) answered.set(key, id);
    }
    expect(new Set(answered.values()).size).toBe(asked.size);
    await server.end();
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
    expect((await readUser(store, user)).monthlyUsage).toBe(asked.size);
    expect(await generationsOf(store).countDocuments({ userId: user })).toBe(asked.size);
    expect(await ledgerOf(store).countDocuments({ userId: user, kind: 'charge' })).toBe(asked.size);
  }, 120_000);

  it('leaves nothing that its successor does not finish within seconds, without any retry', async () => {
    const user = await signUp(store, 'pro');
    const { clerkUserId } = await readUser(store, user);
    const Authorization = await cluster.authorizationOf(clerkUserId);
    const victim = await cluster.start('bun', { ARTIFEX_WORKER: 'off' });
    const requests = Array.from({ length: 40 }, (_, index) => ask(victim, Authorization, `unanswered-${index}`));
    await Promise.race(requests);
    await victim.kill();
    await Promise.all(requests);
    const successor = await cluster.start('node', { ARTIFEX_WORKER: 'off' });
    await untilSettled();
    await successor.end();
    expect(await verifyLedger(store)).toMatchObject({ violations: [] });
    const { monthlyUsage } = await readUser(store, user);
    expect(await generationsOf(store).countDocuments({ userId: user, status: 'pending' })).toBe(monthlyUsage);

    async function untilSettled(): Promise<void> {
      for (;;) {
        const { openEntries } = await readUser(store, user);
        if (Object.values(openEntries).every(({ settledAt }) => settledAt !== undefined)) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }, 60_000);
});
