import { type EmbeddedMongo, startEmbeddedMongo } from 'embedded-mongo';
import { afterAll, describe, expect, it } from 'vitest';
import { claim } from '@/workflows/claim.ts';
import { complete } from '@/workflows/endGeneration.ts';
import { testApplication } from '../support/application.ts';
import { useDatabase } from '../support/database.ts';
import { eventsOf } from '../support/events.ts';

let mongo: EmbeddedMongo | undefined;
// Hooks run last to first: the server ends after its database is dropped.
afterAll(() => mongo?.stop());
/** A server of its own: what fails on it fails for nobody else. */
const store = useDatabase(async (name) => {
  mongo = await startEmbeddedMongo();
  return mongo.uriFor(name);
});

const PICTURE = { url: '/images/a.png', filename: 'a.png', size: 1 };

const failing = (mode: 'off' | 'alwaysOn' | { times: number }, command: string, errorCode: number) => {
  const namespace = `${store.connection.name}.imagegenerations`;
  const data = mode === 'off' ? {} : { data: { failCommands: [command], errorCode, namespace } };
  return store.connection
    .getClient()
    .db('admin')
    .command({ configureFailPoint: 'failCommand', mode, ...data });
};

describe('a stream of events', () => {
  it.each<[string, 'alwaysOn' | { times: number }, string, number]>([
    ['where the database has no change streams (40573)', 'alwaysOn', 'aggregate', 40573],
    ['when the change stream is lost (286) and opened again', { times: 1 }, 'getMore', 286],
  ])('tells every change %s', { timeout: 30_000 }, async (_, mode, command, code) => {
    const application = await testApplication(store);
    const ada = await application.person();
    const created = await ada.post('/v1/generations', { type: 'text-to-image', prompt: 'A quiet bay' });
    const { id: path } = await created.json();
    await failing(mode, command, code);
    const events = eventsOf(await ada.get(`/v1/generations/${path}/events`));
    expect(await events.next()).toMatchObject({ id: '0-pending' });
    const claimed = await claim(application.ctx, { workerId: 'w', leaseSeconds: 60 });
    if (!claimed) throw new Error('One waits');
    expect(await events.next()).toMatchObject({ id: '1-processing' });
    await complete(application.ctx, claimed._id, claimed.lease.token, { outputImages: [PICTURE] });
    expect(await events.next()).toMatchObject({ id: '2-completed' });
    expect(await events.next()).toBeNull();
    const told = application.lines.filter(({ msg }) => msg === 'generations are polled until they can be watched');
    expect(told.length).toBeGreaterThan(0);
    await application.watch.stop();
    await failing('off', command, code);
  });
});
