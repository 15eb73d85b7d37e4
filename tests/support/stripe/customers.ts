import { type Params, text, texts } from './form.ts';
import { end, isOver } from './lifecycle.ts';
import { page } from './lists.ts';
import { found, Refusal } from './refusals.ts';
import type { Route } from './routes.ts';
import type { Customer } from './shapes.ts';
import type { World } from './world.ts';

export const customerRoutes: Route[] = [
  ['POST /v1/customers', (world, params) => createCustomer(world, params)],
  ['GET /v1/customers', (world, params) => page(living(world, params), params, '/v1/customers')],
  ['GET /v1/customers/:id', (world, _, id) => found(world.customers, 'customer', id)],
  ['POST /v1/customers/:id', (world, params, id) => updateCustomer(world, params, id)],
  ['DELETE /v1/customers/:id', (world, _, id) => deleteCustomer(world, found(world.customers, 'customer', id))],
];

function living(world: World, params: Params): Customer[] {
  const email = text(params['email']);
  return [...world.customers.values()].filter(
    (customer) => !customer.deleted && (email === undefined || customer.email === email),
  );
}

function createCustomer(world: World, params: Params): Customer {
  const customer: Customer = {
    id: world.id('cus'),
    object: 'customer',
    created: world.now,
    description: text(params['description']) ?? null,
    email: text(params['email']) ?? null,
    livemode: false,
    metadata: texts(params['metadata']),
    name: text(params['name']) ?? null,
  };
  world.customers.set(customer.id, customer);
  world.emit('customer.created', customer);
  return customer;
}

function updateCustomer(world: World, params: Params, id: string): Customer {
  const customer = found(world.customers, 'customer', id);
  customer.email = text(params['email']) ?? customer.email;
  customer.name = text(params['name']) ?? customer.name;
  customer.metadata = { ...customer.metadata, ...texts(params['metadata']) };
  world.emit('customer.updated', customer);
  return customer;
}

/** A customer who names the user, as Artifex makes them. @returns its id */
export function customerNaming(world: World, userId: { toHexString(): string }): string {
  const id = world.id('cus');
  world.customers.set(id, {
    id,
    object: 'customer',
    created: world.now,
    description: null,
    email: null,
    livemode: false,
    metadata: { userId: userId.toHexString() },
    name: null,
  });
  return id;
}

/** Ends what the customer has, at once; what remains of it tells only that it was deleted. */
export function deleteCustomer(world: World, customer: Customer): Pick<Customer, 'id' | 'object' | 'deleted'> {
  for (const subscription of world.subscriptions.values()) {
    if (subscription.customer === customer.id && !isOver(subscription)) end(world, subscription, 'canceled');
  }
  customer.deleted = true;
  world.emit('customer.deleted', customer);
  return { id: customer.id, object: 'customer', deleted: true };
}

/** The customer whom a request names; one who was deleted is none. */
export function livingCustomer(world: World, params: Params): Customer {
  const id = text(params['customer']) ?? '';
  const customer = world.customers.get(id);
  if (customer && !customer.deleted) return customer;
  throw new Refusal(400, { code: 'resource_missing', message: `No such customer: '${id}'`, param: 'customer' });
}
