import { type EmbeddedMongo, startEmbeddedMongo } from 'embedded-mongo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claim } from '@/workflows/claim.ts';
import { complete } from '@/workflows/endGeneration.ts';
import { type Caller, type TestApplication, testApplication } from '../support/application.ts';
import { useDatabase } from '../support/database.ts';
import { eventsOf } from '../support/events.ts';
import { temporaryFolder } from '../support/processes.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let mongo: EmbeddedMongo;
// Hooks run last to first: the server ends after its database is dropped.
afterAll(async () => {
  await mongo.stop();
  await folder.remove();
});
const store = useDatabase(async (name) => {
  folder = await temporaryFolder();
  mongo = await startEmbeddedMongo({ dataDir: folder.path });
  return mongo.uriFor(name);
});
let application: TestApplication;
beforeAll(async () => {
  application = await testApplication(store);
});
afterAll(() => application.watch.stop());

const PICTURE = { url: '/images/a.png', filename: 'a.png', size: 1 };

/** SIGKILL, and the same server again. */
async function restartDatabase(): Promise<void> {
  const { port, pid } = mongo;
  process.kill(pid, 'SIGKILL');
  await mongo.stop();
  mongo = await startEmbeddedMongo({ dataDir: folder.path, port });
}

/** Follows a generation as a client does that comes back wherever its stream ends. */
async function* followed(caller: Caller, id: string): AsyncGenerator<string> {
  let seen: string | undefined;
  for (;;) {
    const headers: Record<string, string> = seen === undefined ? {} : { 'Last-Event-ID': seen };
    const response = await caller.get(`/v1/generations/${id}/events`, headers);
    if (response.status === 204) return;
    expect(response.status).toBe(200);
    const events = eventsOf(response);
    for (let event = await events.next(); event; event = await events.next()) {
      seen = event.id;
      yield event.id;
    }
  }
}

async function createdBy(caller: Caller): Promise<string> {
  const response = await caller.post('/v1/generations', { type: 'text-to-image', prompt: 'A quiet bay' });
  const { id } = await response.json();
  return id;
}

async function claimed() {
  const found = await claim(application.ctx, { workerId: 'w', leaseSeconds: 600 });
  if (!found) throw new Error('One waits');
  return found;
}

const next = async (events: AsyncGenerator<string>) => (await events.next()).value;

describe('a database that is killed and comes back', () => {
  it('costs no stream an event, whether it was written before or after, and ends none for good', {
    timeout: 60_000,
  }, async () => {
    const [ada, eve] = [await application.person(), await application.person()];
    const [first, second] = [followed(ada, await createdBy(ada)), followed(eve, await createdBy(eve))];
    expect([await next(first), await next(second)]).toEqual(['0-pending', '0-pending']);

    // Acknowledged, and not yet told to anybody.
    const before = await claimed();
    await restartDatabase();
    const after = await claimed();
    expect([await next(first), await next(second)]).toEqual(['1-processing', '1-processing']);

    await restartDatabase();
    for (const { _id, lease } of [before, after]) {
      await complete(application.ctx, _id, lease.token, { outputImages: [PICTURE] });
    }
    expect([await next(first), await next(second)]).toEqual(['2-completed', '2-completed']);
    expect([(await first.next()).done, (await second.next()).done]).toEqual([true, true]);
  });
});
