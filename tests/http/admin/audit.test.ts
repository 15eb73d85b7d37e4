import { beforeAll, describe, expect, it } from 'vitest';
import { recordAct } from '@/repositories/audit.ts';
import { problemOf } from '../../support/api.ts';
import { type Caller, type TestApplication, testApplication } from '../../support/application.ts';
import { signUp, useDatabase } from '../../support/database.ts';

const store = useDatabase();
let api: TestApplication;
let admin: Caller;
beforeAll(async () => {
  api = await testApplication(store);
  admin = await api.person({ metadata: { role: 'admin' } });
});

describe('GET /v1/admin/audit', () => {
  it('shows each act once, newest first, while others are added', async () => {
    const id = await signUp(store);
    const act = (note: number) =>
      recordAct(
        store,
        { action: 'user.exported', actor: { kind: 'job', id: 'j' }, detail: { note } },
        { model: 'User', id },
      );
    for (let note = 0; note < 5; note += 1) {
      store.clock.advance(note % 2);
      await act(note);
    }
    const first = await (await admin.get('/v1/admin/audit?limit=2')).json();
    await act(5);
    const second = await (await admin.get(`/v1/admin/audit?limit=2&cursor=${first.nextCursor}`)).json();
    const third = await (await admin.get(`/v1/admin/audit?limit=2&cursor=${second.nextCursor}`)).json();
    const all = [first, second, third].flatMap(({ data }) => data);
    expect(all.map(({ detail }: { detail: { note: number } }) => detail.note)).toEqual([4, 3, 2, 1, 0]);
    expect(all[0]).toEqual({
      id: expect.any(String),
      action: 'user.exported',
      actor: { kind: 'job', id: 'j' },
      subject: { model: 'User', id: id.toHexString() },
      at: expect.stringMatching(/Z$/),
      detail: { note: 4 },
    });
    expect(third.nextCursor).toBeNull();
  });

  it('refuses a cursor that is none', async () => {
    for (const cursor of ['x', 'W10', 'WyJ4IiwieSJd']) {
      const response = await admin.get(`/v1/admin/audit?cursor=${cursor}`);
      expect(await problemOf(response)).toMatchObject({ status: 400, errors: [{ path: 'cursor' }] });
    }
  });
});
