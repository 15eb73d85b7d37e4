import { describe, expect, it } from 'vitest';
import { keyOf, newSubscription, useKeys } from '../encryption/support.ts';
import { databaseUri, useDatabase } from '../support/database.ts';
import { startProcess } from '../support/processes.ts';

const store = useDatabase();

async function rotate(keys: string) {
  const env = { MONGODB_URI: databaseUri(store.connection.name), FIELD_ENCRYPTION_KEYS: keys, LOG_LEVEL: 'silent' };
  const command = startProcess('bun', ['scripts/rotateEncryption.ts'], env);
  await command.closed;
  return { status: command.child.exitCode, output: command.output };
}

const entry = (id: string) => `${id}:${keyOf(id).key}`;

describe('npm run encryption:rotate', () => {
  it('says how many it encrypted and which keys are no longer needed, and notes the run in the audit trail', async () => {
    useKeys(store, 'k1');
    await store.models.Subscription.create([newSubscription(), newSubscription()]);

    expect(await rotate([entry('k2'), entry('k1')].join())).toEqual({
      status: 0,
      output: ['2 documents were encrypted under k2.', 'k1 is no longer needed.'],
    });
    expect(await rotate(entry('k2'))).toEqual({
      status: 0,
      output: ['0 documents were encrypted under k2.', 'No other key is in use.'],
    });
    expect(await store.models.AuditEntry.find().sort({ at: 1 }).lean()).toMatchObject([
      { action: 'maintenance.run', actor: { kind: 'job' }, detail: { task: 'encryption:rotate', key: 'k2' } },
      { action: 'maintenance.run' },
    ]);
  });

  it('ends with status 1 while another key is needed', async () => {
    useKeys(store, 'k3');
    await store.models.Subscription.create(newSubscription());
    const { status, output } = await rotate(entry('k2'));

    expect(status).toBe(1);
    expect(output.join('\n')).toContain('k3 is still needed, by 1 documents.');
  });

  it('ends with status 1 and the name of the variable when there is no key', async () => {
    const { status, output } = await rotate('');

    expect([status, output]).toEqual([1, ['FIELD_ENCRYPTION_KEYS is missing: there is no key to encrypt with']]);
  });
});
