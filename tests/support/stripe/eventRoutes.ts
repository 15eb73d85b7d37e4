import { flag, type Params, text, texts, whole, within } from './form.ts';
import { page } from './lists.ts';
import { found, invalid } from './refusals.ts';
import type { Route } from './routes.ts';
import type { Event, WebhookEndpoint } from './shapes.ts';
import { API_VERSION } from './version.ts';
import type { World } from './world.ts';

/** What has happened, and who is told of it. */
export const eventRoutes: Route[] = [
  ['GET /v1/events', (world, params) => page(asked(world, params), params, '/v1/events')],
  ['GET /v1/events/:id', (world, _, id) => found(world.events, 'event', id)],
  ['POST /v1/webhook_endpoints', (world, params) => createEndpoint(world, params)],
  ['GET /v1/webhook_endpoints', (world, params) => page(endpoints(world), params, '/v1/webhook_endpoints')],
  ['POST /v1/webhook_endpoints/:id', (world, params, id) => updateEndpoint(world, params, id)],
];

/** `delivery_success=false`: those that no endpoint has taken (https://docs.stripe.com/api/events/list). */
function asked(world: World, params: Params): Event[] {
  const delivered = flag(params['delivery_success']);
  const since = whole(within(params['created'])['gte']) ?? Number.NEGATIVE_INFINITY;
  const after = whole(within(params['created'])['gt']) ?? Number.NEGATIVE_INFINITY;
  const types = Array.isArray(params['types']) ? params['types'] : undefined;
  const type = text(params['type']);
  return [...world.events.values()].filter(
    (event) =>
      (delivered === undefined || (event.pending_webhooks === 0) === delivered) &&
      event.created >= since &&
      event.created > after &&
      (types === undefined || types.includes(event.type)) &&
      (type === undefined || event.type === type),
  );
}

function createEndpoint(world: World, params: Params): WebhookEndpoint {
  const url = text(params['url']);
  if (url === undefined) throw invalid('Missing required param: url.', 'url');
  const id = world.id('we');
  const endpoint: WebhookEndpoint = {
    id,
    object: 'webhook_endpoint',
    api_version: text(params['api_version']) ?? API_VERSION,
    created: world.now,
    description: text(params['description']) ?? null,
    enabled_events: eventsOf(params),
    livemode: false,
    metadata: texts(params['metadata']),
    secret: `whsec_${id}`,
    status: 'enabled',
    url,
  };
  world.webhookEndpoints.set(id, endpoint);
  return endpoint;
}

/** The secret is told once, when the endpoint is made. */
function endpoints(world: World): WebhookEndpoint[] {
  return [...world.webhookEndpoints.values()].map(({ secret: _, ...rest }) => rest);
}

function updateEndpoint(world: World, params: Params, id: string): WebhookEndpoint {
  const endpoint = found(world.webhookEndpoints, 'webhook endpoint', id);
  endpoint.url = text(params['url']) ?? endpoint.url;
  if (params['enabled_events'] !== undefined) endpoint.enabled_events = eventsOf(params);
  const { secret: _, ...rest } = endpoint;
  return rest;
}

function eventsOf(params: Params): string[] {
  const names = params['enabled_events'];
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
}
