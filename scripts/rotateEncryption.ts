/**
 * `npm run encryption:rotate`: encrypts all documents with encrypted fields under the first key of `FIELD_ENCRYPTION_KEYS`, and says which keys are
 * still needed. The exit status is 0 when everything is under the first key.
 */
import { EnvironmentError } from '../src/config/env.ts';
import { keyringOf } from '../src/encryption/connections.ts';
import { CLEAR } from '../src/encryption/keyring.ts';
import { recordAct } from '../src/repositories/audit.ts';
import { type Rotation, rotateEncryption } from '../src/repositories/rotation.ts';
import { withCore } from './withCore.ts';

const SHOWN_EVERY = 1_000;

await withCore(async ({ ctx, connection }) => {
  const { ids, newest } = keyringOf(connection);
  if (ids.length === 0) {
    throw new EnvironmentError('FIELD_ENCRYPTION_KEYS is missing: there is no key to encrypt with');
  }
  const act = { action: 'maintenance.run', actor: { kind: 'job', id: 'encryption:rotate' } } as const;
  await recordAct(ctx, { ...act, detail: { task: 'encryption:rotate', key: newest } });
  let shown = 0;
  const rotation = await rotateEncryption(ctx, (rotated) => {
    if (rotated - shown < SHOWN_EVERY) return;
    shown = rotated;
    console.error(`${rotated} documents encrypted`);
  });
  for (const { model, id, reason } of rotation.refused) console.error(`${model} ${id} was left as it is: ${reason}`);
  console.log(`${rotation.rotated} documents were encrypted under ${rotation.newest}.`);
  for (const line of needs(rotation, ids)) console.log(line);
  return rotation.remaining.size === 0 ? 0 : 1;
});

/** What may now be taken out of the environment, and what may not. */
function needs({ newest, remaining }: Rotation, ring: readonly string[]): string[] {
  const older = new Set([...ring, ...remaining.keys()]);
  older.delete(newest);
  if (older.size === 0) return ['No other key is in use.'];
  return [...older].map((key) => {
    const count = remaining.get(key) ?? 0;
    if (key === CLEAR) return `${count} documents are still in the clear.`;
    return count === 0 ? `${key} is no longer needed.` : `${key} is still needed, by ${count} documents.`;
  });
}
