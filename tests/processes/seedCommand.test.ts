import { describe, expect, it } from 'vitest';
import { databaseUri, signUp, useDatabase } from '../support/database.ts';
import { startProcess } from '../support/processes.ts';

const store = useDatabase();
const FREE = 'user_test_free_1';
const NAMES = [FREE, 'user_test_plus_1', 'user_test_pro_1', 'user_test_trial_1'];

async function seeds(args: string[], env: Record<string, string> = {}) {
  const { closed, child, output } = startProcess('bun', ['seeds/run.ts', ...args], {
    MONGODB_URI: databaseUri(store.connection.name),
    LOG_LEVEL: 'error',
    ...env,
  });
  await closed;
  return { status: child.exitCode, output };
}

const seeded = async () =>
  (await store.models.User.find({ clerkUserId: /^user_test_/ }).lean())
    .map(({ clerkUserId }) => clerkUserId)
    .toSorted();

describe('npm run seed', () => {
  it('sows the four users, and nothing the second time', async () => {
    expect(await seeds(['seed'])).toMatchObject({
      status: 0,
      output: [expect.stringMatching(/^Seeded 4 users, 3 subs/)],
    });
    expect(await seeded()).toEqual(NAMES);
    expect(await seeds(['seed'])).toMatchObject({
      status: 0,
      output: [expect.stringMatching(/^Seeded 0 users, 0 subs/)],
    });
  });

  it('refuses in production unless it is forced, and then seeds nothing', async () => {
    const { status, output } = await seeds(['reset'], { NODE_ENV: 'production' });
    expect(status).toBe(1);
    expect(output).toEqual([expect.stringMatching(/^NODE_ENV is production: .*--force/)]);
    expect(await seeded()).toEqual(NAMES);
  });
});

describe('npm run seed:reset', () => {
  it('removes the seeds with all that was changed in them, and sows them anew', async () => {
    await store.models.User.updateOne({ clerkUserId: FREE }, { monthlyUsage: 9 });
    const { status, output } = await seeds(['reset']);
    expect(status).toBe(0);
    expect(output).toEqual([expect.stringMatching(/^Removed 4 users/), expect.stringMatching(/^Seeded 4 users/)]);
    expect(await store.models.User.findOne({ clerkUserId: FREE })).toMatchObject({ monthlyUsage: 5 });
  });
});

describe('npm run seed:cleanup', () => {
  it('removes the seeds, and leaves everybody else', async () => {
    await signUp(store);
    expect(await seeds(['cleanup'])).toMatchObject({ status: 0, output: [expect.stringMatching(/^Removed 4 users/)] });
    expect(await seeded()).toEqual([]);
    expect(await store.models.User.countDocuments()).toBe(1);
  });
});
