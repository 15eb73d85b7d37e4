import Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SUBSCRIBED_EVENTS, toldOf } from '@/billing/events.ts';
import { type Setup, setUpStripe } from '@/billing/setup/setUp.ts';
import { tierOf } from '@/billing/snapshot.ts';
import { type Fault, noFaults } from '../support/stripe/faults.ts';
import { the } from '../support/stripe/world.ts';
import { type StripeServer, startStripeServer } from '../support/stripe-server.ts';

const HOST = 'https://api.example.com';
const SETUP: Setup = { prices: { plus: {}, pro: {} }, host: HOST };
/** Calls that find out how things are; all others make or change something. */
const isReading = ({ pattern }: { pattern: string }) => pattern.startsWith('GET ');

let server: StripeServer;
beforeEach(async () => {
  server = await startStripeServer();
});
afterEach(() => server.close());

/** The SDK as it is, but that it gives up at once. */
function impatient(): Stripe {
  const { hostname, port } = new URL(server.url);
  return new Stripe('sk_test_x', {
    host: hostname,
    port,
    protocol: 'http',
    httpClient: Stripe.createFetchHttpClient(),
    maxNetworkRetries: 0,
  });
}

async function setUp(setup: Setup = SETUP) {
  const lines: string[] = [];
  const before = server.calls.length;
  const variables = Object.fromEntries(await setUpStripe(impatient(), setup, (line) => lines.push(line)));
  return { variables, lines, calls: server.calls.slice(before) };
}

function whatIsThere() {
  const { products, prices, portalConfigurations, webhookEndpoints } = server.world;
  return {
    products: [...products.keys()],
    prices: [...prices.values()].map(({ lookup_key, unit_amount, currency }) => [lookup_key, unit_amount, currency]),
    portals: portalConfigurations.size,
    endpoints: [...webhookEndpoints.values()].map(({ url }) => url),
  };
}

const EVERYTHING = {
  products: ['artifex_plus', 'artifex_pro'],
  prices: [
    ['artifex_plus', 900, 'usd'],
    ['artifex_pro', 2900, 'usd'],
  ],
  portals: 1,
  endpoints: [`${HOST}/webhooks/stripe`],
};

describe('setting up an account', () => {
  it('makes all that is needed, and tells the variables', async () => {
    const { variables } = await setUp();
    expect(whatIsThere()).toEqual(EVERYTHING);
    const [plus, pro] = server.world.prices.keys();
    const [portal] = server.world.portalConfigurations.keys();
    const [endpoint] = server.world.webhookEndpoints.values();
    expect(variables).toEqual({
      STRIPE_PRICE_PLUS: plus,
      STRIPE_PRICE_PRO: pro,
      STRIPE_PORTAL_CONFIGURATION: portal,
      STRIPE_WEBHOOK_SECRET: endpoint?.secret,
    });
    expect(endpoint).toMatchObject({ api_version: Stripe.API_VERSION, status: 'enabled' });
  });

  it('makes nothing the second time, and says what is to do about the secret', async () => {
    const first = await setUp();
    const second = await setUp();
    expect(second.calls.filter((call) => !isReading(call))).toEqual([]);
    expect(whatIsThere()).toEqual(EVERYTHING);
    const { STRIPE_WEBHOOK_SECRET: _, ...told } = first.variables;
    expect(second.variables).toEqual(told);
    expect(second.lines.every((line) => !line.startsWith('Made'))).toBe(true);
    expect(second.lines.at(-1)).toContain('only when it makes an endpoint');
  });

  it('looks at no endpoint where no address is told', async () => {
    const { variables } = await setUp({ ...SETUP, host: undefined });
    expect(variables).not.toHaveProperty('STRIPE_WEBHOOK_SECRET');
    expect(server.world.webhookEndpoints.size).toBe(0);
  });

  it.each<Fault>(['error_after', 'error_kept', 'cut', 'cut_after'])(
    'is finished by the next run, once, wherever %s has ended the one before',
    async (fault) => {
      const calls = (await setUp()).calls.length;
      for (let last = 0; last < calls; last += 1) {
        await server.close();
        server = await startStripeServer();
        server.faults = () => (server.calls.length < last ? null : fault);
        await expect(setUp()).rejects.toThrow(Stripe.errors.StripeError);
        server.faults = noFaults;
        await setUp();
        expect(whatIsThere()).toEqual(EVERYTHING);
      }
    },
  );

  it('makes one of each in two runs at the same time', async () => {
    const [one, other] = await Promise.all([setUp(), setUp()]);
    expect(whatIsThere()).toEqual(EVERYTHING);
    expect(one.variables['STRIPE_PRICE_PLUS']).toBe(other.variables['STRIPE_PRICE_PLUS']);
  });

  it('makes again what was deleted, though its key still tells of the old one', async () => {
    const first = await setUp();
    server.world.webhookEndpoints.clear();
    const second = await setUp();
    expect(server.world.webhookEndpoints.size).toBe(1);
    expect(second.variables['STRIPE_WEBHOOK_SECRET']).not.toBe(first.variables['STRIPE_WEBHOOK_SECRET']);
  });
});

describe('the prices', () => {
  const costing = (plus: number, currency?: string): Setup => ({
    ...SETUP,
    prices: { plus: { amount: plus, currency }, pro: { currency } },
  });

  it('cost what is asked for, in its currency', async () => {
    await setUp(costing(1200, 'eur'));
    expect(whatIsThere().prices).toEqual([
      ['artifex_plus', 1200, 'eur'],
      ['artifex_pro', 2900, 'eur'],
    ]);
  });

  it('stay as they are where nothing is asked for', async () => {
    const first = await setUp(costing(1200, 'eur'));
    expect((await setUp()).variables['STRIPE_PRICE_PLUS']).toBe(first.variables['STRIPE_PRICE_PLUS']);
  });

  it('give way to a new one with another amount, and the old one still tells its tier', async () => {
    const { variables: before } = await setUp();
    const { variables: after } = await setUp(costing(1200));
    const old = the(server.world.prices, before['STRIPE_PRICE_PLUS'] ?? '');
    const fresh = the(server.world.prices, after['STRIPE_PRICE_PLUS'] ?? '');
    expect(fresh).toMatchObject({ unit_amount: 1200, lookup_key: 'artifex_plus', product: old.product });
    expect(old).toMatchObject({ active: true, lookup_key: null });
    expect(tierOf(old, { plus: fresh.id, pro: undefined })).toBe('plus');
    expect(after['STRIPE_PRICE_PRO']).toBe(before['STRIPE_PRICE_PRO']);
  });

  it('change back and forth within a day', async () => {
    const ids: string[] = [];
    for (const amount of [900, 1000, 900, 1000, 900])
      ids.push((await setUp(costing(amount))).variables['STRIPE_PRICE_PLUS'] ?? '');
    expect(new Set(ids).size).toBe(5);
    expect(the(server.world.prices, ids.at(-1) ?? '')).toMatchObject({ unit_amount: 900, lookup_key: 'artifex_plus' });
  });

  it('take the lookup key from one that was made by hand, and leave it its tier', async () => {
    const stripe = impatient();
    const product = await stripe.products.create({ name: 'By hand' });
    const yearly = await stripe.prices.create({
      product: product.id,
      currency: 'usd',
      unit_amount: 9900,
      recurring: { interval: 'year' },
      lookup_key: 'artifex_plus',
    });
    await setUp(costing(900));
    const old = the(server.world.prices, yearly.id);
    expect(old).toMatchObject({ lookup_key: null, metadata: { tier: 'plus' } });
    expect(server.world.products.size).toBe(2);
  });

  it('replace one that is archived', async () => {
    const { variables } = await setUp();
    const archived = the(server.world.prices, variables['STRIPE_PRICE_PRO'] ?? '');
    archived.active = false;
    expect((await setUp()).variables['STRIPE_PRICE_PRO']).not.toBe(archived.id);
  });
});

describe('the portal', () => {
  it('is made equal again where it lets customers change their plan', async () => {
    await setUp();
    const [configuration] = server.world.portalConfigurations.values();
    if (configuration) configuration.features = { subscription_update: { enabled: true } };
    const { lines } = await setUp();
    expect(lines.join('\n')).toContain("Updated the portal's configuration");
    expect(configuration?.features).toMatchObject({
      subscription_update: { enabled: false },
      subscription_cancel: { enabled: true, mode: 'at_period_end' },
    });
  });
});

describe('the webhook endpoint', () => {
  it('is sent the events that are understood', async () => {
    await setUp();
    const [endpoint] = server.world.webhookEndpoints.values();
    const object = { object: 'invoice', id: 'in_1', customer: 'cus_1' };
    for (const type of endpoint?.enabled_events ?? []) {
      const event: unknown = { id: 'evt_1', type, created: 1, data: { object } };
      expect(toldOf(Object.assign(Object.create(null), event)), type).not.toBeNull();
    }
    expect(endpoint?.enabled_events).toEqual([...SUBSCRIBED_EVENTS]);
  });

  it('is enabled again, and told the events that it lacks', async () => {
    await setUp();
    const [endpoint] = server.world.webhookEndpoints.values();
    if (endpoint) Object.assign(endpoint, { status: 'disabled', enabled_events: ['invoice.paid'] });
    const { lines } = await setUp();
    expect(endpoint).toMatchObject({ status: 'enabled', enabled_events: SUBSCRIBED_EVENTS });
    expect(lines.join('\n')).toMatch(/Updated the webhook endpoint .* was disabled and lacked customer\.updated/);
    expect(server.world.webhookEndpoints.size).toBe(1);
  });

  it('is left alone where it is sent everything, and its version is told', async () => {
    await impatient().webhookEndpoints.create({ url: `${HOST}/webhooks/stripe`, enabled_events: ['*'] });
    const { lines, variables } = await setUp();
    const [endpoint] = server.world.webhookEndpoints.values();
    expect(endpoint?.enabled_events).toEqual(['*']);
    expect(lines.join('\n')).toContain("version of the account's default");
    expect(variables).not.toHaveProperty('STRIPE_WEBHOOK_SECRET');
  });
});
