import { exportJWK, importSPKI } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { usersOf } from '@/models/collections.ts';
import { CLERK_SECRET_KEY, type ClerkServer, startClerkServer } from '../support/clerk-server.ts';
import { databaseUri, useDatabase } from '../support/database.ts';
import { startProcess } from '../support/processes.ts';
import { createTokenIssuer } from '../support/tokens.ts';

const store = useDatabase();

let clerk: ClerkServer;
beforeEach(async () => {
  await usersOf(store).deleteMany({});
  clerk = await startClerkServer();
});
afterEach(() => clerk.close());

function startBackfill(args: string[] = [], env: Record<string, string> = {}) {
  return startProcess('bun', ['scripts/clerkBackfill.ts', ...args], {
    MONGODB_URI: databaseUri(store.connection.name),
    CLERK_SECRET_KEY,
    CLERK_API_URL: clerk.url,
    LOG_LEVEL: 'error',
    ...env,
  });
}

async function ran(args: string[] = [], env: Record<string, string> = {}) {
  const command = startBackfill(args, env);
  await command.closed;
  return { status: command.child.exitCode, output: command.output };
}

const counts = (told: string) => `${told}, deleted 0, need a person 0`;

describe('npm run clerk:backfill', () => {
  it('makes everybody whom Clerk has, with progress, and is done the second time', async () => {
    for (let index = 0; index < 3; index += 1) clerk.people.signUp();
    const { publicKeyPem } = await createTokenIssuer();
    clerk.people.signingKeys = [await exportJWK(await importSPKI(publicKeyPem, 'RS256', { extractable: true }))];
    const first = await ran([], { CLERK_JWT_KEY: publicKeyPem });
    expect(first.output.at(-1)).toBe(counts('equal 0, made 3, updated 0, restored 0, kept 0, gone 0'));
    expect(first.status).toBe(0);
    expect((await ran()).output.at(-1)).toBe(counts('equal 3, made 0, updated 0, restored 0, kept 0, gone 0'));
    const acts = await store.models.AuditEntry.find({ action: 'maintenance.run' }).lean();
    expect(acts).toMatchObject([
      { actor: { kind: 'job', id: 'clerk:backfill' }, detail: { task: 'clerk:backfill', deletesGone: false } },
      {},
    ]);
  });

  it('killed in the middle, is gone on with from there by the next run', async () => {
    const start = Date.now() - 2_000_000;
    for (let index = 0; index < 1_100; index += 1) {
      clerk.people.signUp({ createdAt: new Date(start + index * 1000) });
    }
    const { promise: isHanging, resolve } = Promise.withResolvers<void>();
    clerk.faults = ({ path }) => {
      if (!path.includes('created_at_after')) return null;
      resolve();
      return 'silent';
    };
    const killed = startBackfill();
    await isHanging;
    await killed.kill();
    expect(await usersOf(store).countDocuments({})).toBe(500);
    clerk.faults = () => null;
    clerk.calls.length = 0;
    const { status, output } = await ran();
    expect(output.at(-1)).toMatch(/^equal [01], made 1100, .*\(begun at \d{4}-.*Z\)$/);
    expect(status).toBe(0);
    expect(clerk.calls.filter((path) => path.startsWith('/v1/users?order_by')).length).toBeLessThan(3);
    expect(await usersOf(store).countDocuments({})).toBe(1_100);
  }, 60_000);

  it('ends with status 1 and names those who are gone, and deletes them when it is told to', async () => {
    const { _id } = await store.models.User.create({ clerkUserId: 'user_gone' });
    const reported = await ran();
    expect(reported.status).toBe(1);
    expect(reported.output).toContain('user_gone: is not at Clerk any more');
    expect(await usersOf(store).findOne({ _id })).toMatchObject({ isDeleted: false });
    expect((await ran(['--delete-gone'])).status).toBe(0);
    expect(await usersOf(store).findOne({ _id })).toMatchObject({ isDeleted: true });
  });

  it('touches nobody with the key of another instance than the one whose tokens are believed', async () => {
    const { publicKeyPem } = await createTokenIssuer();
    clerk.people.signUp();
    const { status, output } = await ran(['--delete-gone'], { CLERK_JWT_KEY: publicKeyPem });
    expect([status, output]).toEqual([1, ['CLERK_SECRET_KEY is of another Clerk instance than CLERK_JWT_KEY']]);
    expect(await usersOf(store).countDocuments({})).toBe(0);
  });

  it.each([
    ['without a key', [], { CLERK_SECRET_KEY: '' }, /^CLERK_SECRET_KEY is missing: .+/],
    ['with a key that Clerk does not take', [], { CLERK_SECRET_KEY: 'sk_live_1' }, /^CLERK_SECRET_KEY is not taken/],
    ['with a bad address', [], { CLERK_API_URL: 'api.clerk.com' }, /^CLERK_API_URL is "api.clerk.com": .+/],
    ['with an unknown option', ['--all'], {}, /^Usage: npm run clerk:backfill \[-- --delete-gone\]$/],
  ])('ends with status 1 and one line %s', async (_, args, env, line) => {
    const { status, output } = await ran(args, env);
    expect([status, output]).toEqual([1, [expect.stringMatching(line)]]);
  });
});
