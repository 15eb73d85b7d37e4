import { flag, type Params, text, texts, whole, within } from './form.ts';
import { page } from './lists.ts';
import { found, invalid, Refusal } from './refusals.ts';
import type { Route } from './routes.ts';
import type { Price, Product } from './shapes.ts';
import type { World } from './world.ts';

/** What is sold: products and their prices. */
export const catalogueRoutes: Route[] = [
  ['POST /v1/products', (world, params) => createProduct(world, params)],
  ['GET /v1/products', (world, params) => page(world.products.values(), params, '/v1/products')],
  ['GET /v1/products/:id', (world, _, id) => found(world.products, 'product', id)],
  ['POST /v1/products/:id', (world, params, id) => updateProduct(world, params, id)],
  ['POST /v1/prices', (world, params) => createPrice(world, params)],
  ['GET /v1/prices', (world, params) => page(asked(world, params), params, '/v1/prices')],
  ['GET /v1/prices/:id', (world, _, id) => found(world.prices, 'price', id)],
  ['POST /v1/prices/:id', (world, params, id) => updatePrice(world, params, id)],
];

function createProduct(world: World, params: Params): Product {
  const id = text(params['id']) ?? world.id('prod');
  if (world.products.has(id))
    throw new Refusal(400, { code: 'resource_already_exists', message: `Product already exists: ${id}` });
  const name = text(params['name']);
  if (name === undefined) throw invalid('Missing required param: name.', 'name');
  const product: Product = {
    id,
    object: 'product',
    active: true,
    created: world.now,
    description: text(params['description']) ?? null,
    livemode: false,
    metadata: texts(params['metadata']),
    name,
    updated: world.now,
  };
  world.products.set(id, product);
  return product;
}

function updateProduct(world: World, params: Params, id: string): Product {
  const product = found(world.products, 'product', id);
  product.name = text(params['name']) ?? product.name;
  product.active = flag(params['active']) ?? product.active;
  product.metadata = { ...product.metadata, ...texts(params['metadata']) };
  product.updated = world.now;
  return product;
}

/** What Artifex sells. @returns its id */
export function sellArtifex(world: World): string {
  const id = 'prod_artifex';
  world.products.set(id, {
    id,
    object: 'product',
    active: true,
    created: world.now,
    description: null,
    livemode: false,
    metadata: {},
    name: 'Artifex',
    updated: world.now,
  });
  return id;
}

export function createPrice(world: World, params: Params): Price {
  const product = found(world.products, 'product', text(params['product']));
  const amount = whole(params['unit_amount']);
  if (amount === undefined) throw invalid('Give unit_amount', 'unit_amount');
  const lookupKey = text(params['lookup_key']) ?? null;
  takeLookupKey(world, lookupKey, flag(params['transfer_lookup_key']) ?? false);
  const recurring = within(params['recurring']);
  const price: Price = {
    id: world.id('price'),
    object: 'price',
    active: true,
    created: world.now,
    currency: text(params['currency']) ?? 'usd',
    livemode: false,
    lookup_key: lookupKey,
    metadata: texts(params['metadata']),
    nickname: text(params['nickname']) ?? null,
    product: product.id,
    recurring: { interval: text(recurring['interval']) === 'year' ? 'year' : 'month', interval_count: 1 },
    type: 'recurring',
    unit_amount: amount,
  };
  world.prices.set(price.id, price);
  return price;
}

/** A lookup key belongs to one price of an account, and moves only when it is asked to. */
function takeLookupKey(world: World, key: string | null, mayTransfer: boolean): void {
  const holder = [...world.prices.values()].find(({ lookup_key }) => key !== null && lookup_key === key);
  if (!holder) return;
  if (!mayTransfer) throw invalid(`A price (\`${holder.id}\`) already uses that lookup key.`, 'lookup_key');
  holder.lookup_key = null;
}

function updatePrice(world: World, params: Params, id: string): Price {
  const price = found(world.prices, 'price', id);
  price.active = flag(params['active']) ?? price.active;
  price.metadata = { ...price.metadata, ...texts(params['metadata']) };
  const key = text(params['lookup_key']);
  if (key !== undefined && key !== price.lookup_key) {
    takeLookupKey(world, key, flag(params['transfer_lookup_key']) ?? false);
    price.lookup_key = key;
  }
  return price;
}

function asked(world: World, params: Params): Price[] {
  const keys = params['lookup_keys'];
  const product = text(params['product']);
  const active = flag(params['active']);
  return [...world.prices.values()].filter(
    (price) =>
      (!Array.isArray(keys) || keys.includes(price.lookup_key ?? '')) &&
      (product === undefined || price.product === product) &&
      (active === undefined || price.active === active),
  );
}
