import { beforeAll, describe, expect, it } from 'vitest';
import { type Caller, type TestApplication, testApplication } from '../support/application.ts';
import { commandsDuring } from '../support/commands.ts';
import { useDatabase } from '../support/database.ts';

const store = useDatabase();
const IMAGE = { type: 'text-to-image', prompt: 'A quiet bay' };

let api: TestApplication;
let caller: Caller;
let id: string;

beforeAll(async () => {
  // As it is for people who ask now and then: nothing is taken of the rate limit beforehand.
  api = await testApplication(store, { limiter: { borrows: false } });
  caller = await api.person();
  const created = await caller.post('/v1/generations', IMAGE);
  id = (await created.json()).id;
  // A process remembers whose session it has seen.
  await caller.get('/v1/generations');
});

async function commandsOf(action: () => Promise<Response>, status: number): Promise<string[]> {
  return commandsDuring(store.connection, async () => {
    const response = await action();
    expect(response.status).toBe(status);
  });
}

describe('round trips to the database', () => {
  it('GET /v1/me: 1', async () => {
    expect(await commandsOf(() => caller.get('/v1/me'), 200)).toEqual(['find']);
  });

  it('PATCH /v1/me: 1, also where it changes nothing', async () => {
    expect(await commandsOf(() => caller.patch('/v1/me', { name: 'Somebody' }), 200)).toEqual(['findAndModify']);
    expect(await commandsOf(() => caller.patch('/v1/me', {}), 200)).toEqual(['find']);
  });

  it('DELETE /v1/me: 1', async () => {
    const leaving = await api.person();
    await leaving.get('/v1/me');
    expect(await commandsOf(() => leaving.delete('/v1/me'), 204)).toEqual(['findAndModify']);
  });

  it('GET /v1/quota: 1, and at the same time that of the rate limit', async () => {
    const read = () => caller.get('/v1/quota');
    expect(await commandsOf(read, 200)).toEqual(['findAndModify', 'find']);
    expect(await atOnceDuring('/v1/quota')).toBe(2);
  });

  it('POST /v1/quota/consume: that of the rate limit, then 1, with an idempotency key one read more', async () => {
    const consume = (headers = {}) => caller.post('/v1/quota/consume', { credits: 1 }, headers);
    expect(await commandsOf(consume, 200)).toEqual(['findAndModify', 'findAndModify']);
    expect(await commandsOf(() => consume({ 'Idempotency-Key': 'c1' }), 200)).toEqual([
      'findAndModify',
      'find',
      'findAndModify',
    ]);
  });

  it('the rate limit of somebody who asks again and again costs next to none', async () => {
    const busy = await testApplication(store);
    const hasty = await busy.person();
    const commands = await commandsDuring(store.connection, async () => {
      for (let time = 0; time < 100; time += 1) expect((await hasty.get('/v1/quota')).status).toBe(200);
    });
    expect(commands.filter((name) => name === 'find').length).toBeLessThan(105);
    expect(commands.filter((name) => name === 'findAndModify').length).toBeLessThan(15);
  });

  it('POST /v1/generations: that of the rate limit, then 2, with an idempotency key one read more', async () => {
    const create = (headers = {}) => caller.post('/v1/generations', IMAGE, headers);
    expect(await commandsOf(create, 201)).toEqual(['findAndModify', 'findAndModify', 'insert']);
    expect(await commandsOf(() => create({ 'Idempotency-Key': 'g1' }), 201)).toEqual([
      'findAndModify',
      'find',
      'findAndModify',
      'insert',
    ]);
  });

  it('a refusal for want of credits: that of the rate limit, then 2, since an ordinary charge is tried first', async () => {
    const create = () => caller.post('/v1/quota/consume', { credits: 11 });
    expect(await commandsOf(create, 402)).toEqual(['findAndModify', 'findAndModify', 'findAndModify']);
  });

  it('GET /v1/generations and /v1/generations/{id}: 1, and at the same time a look whether the account is there', async () => {
    expect(await commandsOf(() => caller.get('/v1/generations'), 200)).toEqual(['find', 'find']);
    expect(await commandsOf(() => caller.get(`/v1/generations/${id}`), 200)).toEqual(['find', 'find']);
    for (const path of ['/v1/generations', `/v1/generations/${id}`]) expect(await atOnceDuring(path)).toBe(2);
  });

  it('GET /v1/quota/ledger: 2, and 4 where charges have just been made; at the same time the look and the rate limit', async () => {
    await caller.get('/v1/quota/ledger');
    const list = () => caller.get('/v1/quota/ledger');
    expect(await commandsOf(list, 200)).toEqual(['findAndModify', 'find', 'find', 'find']);
    await caller.post('/v1/quota/consume', { credits: 1 });
    expect(await commandsOf(list, 200)).toEqual(['findAndModify', 'find', 'find', 'insert', 'update', 'find']);
  });

  it('POST /v1/generations/{id}/cancel: 3, the look, the move and the refund', async () => {
    const cancel = () => caller.post(`/v1/generations/${id}/cancel`);
    expect(await commandsOf(cancel, 200)).toEqual(['find', 'findAndModify', 'findAndModify']);
  });

  it('DELETE /v1/generations/{id}: 2, the look and the move', async () => {
    // What the cancelled one owed is settled by then.
    await caller.get('/v1/quota/ledger');
    expect(await commandsOf(() => caller.delete(`/v1/generations/${id}`), 204)).toEqual(['find', 'findAndModify']);
  });

  /** How many commands were under way at most while the path was read. */
  async function atOnceDuring(path: string): Promise<number> {
    let [underWay, most] = [0, 0];
    const began = () => {
      underWay += 1;
      most = Math.max(most, underWay);
    };
    const ended = () => {
      underWay -= 1;
    };
    const client = store.connection.getClient();
    client.on('commandStarted', began).on('commandSucceeded', ended);
    await caller.get(path);
    client.off('commandStarted', began).off('commandSucceeded', ended);
    return most;
  }
});
