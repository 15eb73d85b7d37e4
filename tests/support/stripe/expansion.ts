import type { Params } from './form.ts';
import type { World } from './world.ts';

/** Replaces ids by their objects where a request asks for it: `expand[]=data.schedule` (https://docs.stripe.com/api/expanding_objects). */
export function expanded(world: World, answer: unknown, params: Params): unknown {
  const copy: unknown = structuredClone(answer);
  const paths = params['expand'];
  if (Array.isArray(paths))
    for (const path of paths) if (typeof path === 'string') expand(world, copy, path.split('.'));
  return copy;
}

function expand(world: World, at: unknown, [head = '', ...rest]: string[]): void {
  if (Array.isArray(at)) {
    for (const one of at) expand(world, one, [head, ...rest]);
    return;
  }
  if (!isRecord(at)) return;
  const value = at[head];
  if (typeof value === 'string') at[head] = structuredClone(lookUp(world, head, value) ?? value);
  if (rest.length > 0) expand(world, at[head], rest);
}

function lookUp(world: World, field: string, id: string): unknown {
  switch (field) {
    case 'customer':
      return world.customers.get(id);
    case 'subscription':
      return world.subscriptions.get(id);
    case 'schedule':
      return world.schedules.get(id);
    case 'invoice':
    case 'latest_invoice':
      return world.invoices.get(id);
    case 'charge':
      return world.charges.get(id);
    case 'product':
      return world.products.get(id);
    case 'price':
      return world.prices.get(id);
    default:
      return undefined;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
