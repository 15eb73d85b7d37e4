import { catalogueRoutes } from './catalogue.ts';
import { checkoutRoutes } from './checkout.ts';
import { customerRoutes } from './customers.ts';
import { eventRoutes } from './eventRoutes.ts';
import type { Params } from './form.ts';
import { paymentRoutes } from './payments.ts';
import { portalRoutes } from './portal.ts';
import { scheduleRoutes, subscriptionRoutes } from './subscriptions.ts';
import type { World } from './world.ts';

export type Handler = (world: World, params: Params, id: string) => unknown;
/** Method and path, in which `:id` stands for any id. */
export type Route = [pattern: string, handler: Handler];

const ROUTES: Route[] = [
  ...customerRoutes,
  ...catalogueRoutes,
  ...subscriptionRoutes,
  ...scheduleRoutes,
  ...checkoutRoutes,
  ...portalRoutes,
  ...paymentRoutes,
  ...eventRoutes,
];

const TABLE = ROUTES.map(([pattern, handler]) => ({
  matcher: new RegExp(`^${pattern.replace(':id', '([^/]+)')}$`),
  pattern,
  handler,
}));

export function routeOf(method: string, path: string): { pattern: string; handler: Handler; id: string } | null {
  for (const { matcher, pattern, handler } of TABLE) {
    const match = matcher.exec(`${method} ${path}`);
    if (match) return { pattern, handler, id: decodeURIComponent(match[1] ?? '') };
  }
  return null;
}
