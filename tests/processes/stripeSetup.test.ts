import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { useCluster } from '../support/cluster.ts';
import { useDatabase } from '../support/database.ts';
import { startProcess } from '../support/processes.ts';
import { complete } from '../support/stripe/checkout.ts';
import { noFaults } from '../support/stripe/faults.ts';
import { type StripeServer, startStripeServer } from '../support/stripe-server.ts';

const URL_OPTION = ['--url', 'https://api.example.com'];
const VARIABLE = /^(STRIPE_\w+)=(\S+)$/;

let server: StripeServer;
beforeEach(async () => {
  server = await startStripeServer();
});
afterEach(() => server.close());

const started = (args: string[], env: Record<string, string> = {}) =>
  startProcess('bun', ['scripts/stripeSetup.ts', ...args], {
    STRIPE_SECRET_KEY: 'sk_test_setup',
    STRIPE_API_BASE: server.url,
    // Its own variables alone are read: it makes some of those that production needs.
    NODE_ENV: 'production',
    ...env,
  });

async function setUp(args: string[] = URL_OPTION, env: Record<string, string> = {}) {
  const command = started(args, env);
  await command.closed;
  const variables: Record<string, string> = {};
  for (const line of command.output) {
    const [, name, value] = VARIABLE.exec(line) ?? [];
    if (name !== undefined && value !== undefined) variables[name] = value;
  }
  return { status: command.child.exitCode, output: command.output.join('\n'), variables };
}

const made = () =>
  server.calls.filter(({ pattern }) => pattern.startsWith('POST ')).map(({ pattern }) => pattern.slice('POST '.length));

describe('npm run stripe:setup', () => {
  it('makes everything once, and prints the variables', async () => {
    const first = await setUp();
    expect(first.status).toBe(0);
    expect(Object.keys(first.variables)).toEqual([
      'STRIPE_PRICE_PLUS',
      'STRIPE_PRICE_PRO',
      'STRIPE_PORTAL_CONFIGURATION',
      'STRIPE_WEBHOOK_SECRET',
    ]);
    const second = await setUp();
    expect([second.status, second.variables['STRIPE_PRICE_PLUS']]).toEqual([0, first.variables['STRIPE_PRICE_PLUS']]);
    expect(made()).toHaveLength(6);
  });

  it('goes on after it was killed with a call under way', async () => {
    const atCall = Promise.withResolvers<void>();
    server.faults = ({ pattern }) => {
      if (pattern !== 'POST /v1/prices') return null;
      atCall.resolve();
      return 'cut_after';
    };
    const victim = started(URL_OPTION);
    await atCall.promise;
    await victim.kill();
    server.faults = noFaults;
    expect((await setUp()).status).toBe(0);
    const { prices, products, webhookEndpoints } = server.world;
    expect([prices.size, products.size, webhookEndpoints.size]).toEqual([2, 2, 1]);
  });

  it('makes a new price for another amount', async () => {
    const { variables } = await setUp([]);
    const changed = await setUp(['--plus', '1200']);
    expect(changed.output).toContain('1200 usd a month');
    expect(changed.variables['STRIPE_PRICE_PLUS']).not.toBe(variables['STRIPE_PRICE_PLUS']);
    expect(changed.variables['STRIPE_PRICE_PRO']).toBe(variables['STRIPE_PRICE_PRO']);
  });

  it.each([
    ['an unknown option', ['--yearly'], {}, "Unknown option '--yearly'"],
    ['an address that is not https', ['--url', 'http://localhost:8787'], {}, '--url must be the https:// address'],
    ['an amount with a point', ['--plus', '9.00'], {}, '--plus must be a whole number'],
    ['no key', [], { STRIPE_SECRET_KEY: '' }, 'STRIPE_SECRET_KEY is not set'],
    ['a key of another kind', [], { STRIPE_SECRET_KEY: 'pk_test_1' }, 'STRIPE_SECRET_KEY has not the right form'],
    ['a live key without --live', [], { STRIPE_SECRET_KEY: 'sk_live_1' }, 'say --live if you mean it'],
    ['--live with a key of test mode', ['--live'], {}, 'leave --live out'],
  ])('refuses %s, and calls nobody', async (_name, args, env, told) => {
    const { status, output, variables } = await setUp(args, env);
    expect([status, variables, server.calls]).toEqual([1, {}, []]);
    expect(output).toContain(told);
    expect(output).not.toMatch(/^\s+at /m);
  });

  it('says in a line that Stripe does not take the key', async () => {
    server.world.revokedKeys.add('sk_test_revoked');
    const { status, output } = await setUp([], { STRIPE_SECRET_KEY: 'sk_test_revoked' });
    expect([status, output.split('\n')]).toEqual([1, [expect.stringContaining('STRIPE_SECRET_KEY is not taken')]]);
    expect(output).not.toContain('sk_test_revoked');
  });

  it('says in a line that Stripe is out of reach', async () => {
    server.goDark();
    const { status, output } = await setUp([]);
    expect([status, output.split('\n')]).toEqual([1, [expect.stringContaining('Stripe is out of reach')]]);
  });

  it('takes a live key with --live, and writes nothing to disk', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'artifex-setup-'));
    const { status } = await setUp(['--live'], { STRIPE_SECRET_KEY: 'sk_live_1', ARTIFEX_DATA_DIR: folder });
    expect([status, await readdir(folder)]).toEqual([0, []]);
    await rm(folder, { recursive: true });
  });
});

const checkout = z.object({ url: z.url() });
const subscription = z.looseObject({ tier: z.string(), status: z.string().nullable() });

describe('the variables that it prints', () => {
  const store = useDatabase();
  const cluster = useCluster(store);

  it('are all that the API needs to sell', { timeout: 60_000 }, async () => {
    const { variables } = await setUp();
    const api = await cluster.start('bun', {
      STRIPE_SECRET_KEY: 'sk_test_setup',
      STRIPE_API_BASE: server.url,
      ARTIFEX_WORKER: 'off',
      ...variables,
    });
    const Authorization = await cluster.authorizationOf(cluster.newPerson());
    const headers = { Authorization, 'Content-Type': 'application/json' };
    const ask = (path: string, body?: object) =>
      fetch(`${api.url}${path}`, { headers, ...(body && { method: 'POST', body: JSON.stringify(body) }) });
    expect(checkout.parse(await (await ask('/v1/subscription/checkout', { tier: 'pro' })).json()).url).toContain(
      'checkout.stripe.com',
    );
    const [session] = server.world.sessions.keys();
    complete(server.world, session ?? '');
    const secret = variables['STRIPE_WEBHOOK_SECRET'] ?? '';
    server.sender.sendTo(`${api.url}/webhooks/stripe`, secret);
    await server.sender.deliverAll();
    expect(server.sender.undelivered()).toEqual([]);
    await expect
      .poll(async () => subscription.parse(await (await ask('/v1/subscription')).json()))
      .toMatchObject({ tier: 'pro', status: 'active' });
    const [event] = server.world.events.values();
    if (event) expect((await server.sender.deliver(event, { secret: 'whsec_of_another' })).status).toBe(400);
    const portal = await ask('/v1/subscription/portal', {});
    expect([portal.status, [...server.world.portalSessions.values()]]).toMatchObject([
      201,
      [{ configuration: variables['STRIPE_PORTAL_CONFIGURATION'] }],
    ]);
  });
});
