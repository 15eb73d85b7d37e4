import { flag, type Params, text, texts, whole, within } from './form.ts';
import { page } from './lists.ts';
import { found, invalid } from './refusals.ts';
import type { Route } from './routes.ts';
import type { Event, WebhookEndpoint } from './shapes.ts';
import type { World } from './world.ts';

/** Of one account, in one mode (https://docs.stripe.com/webhooks). */
const MAX_ENDPOINTS = 16;

/** What has happened, and who is told of it. */
export const eventRoutes: Route[] = [
  ['GET /v1/events', (world, params) => page(asked(world, params), params, '/v1/events')],
  ['GET /v1/events/:id', (world, _, id) => found(world.events, 'event', id)],
  ['POST /v1/webhook_endpoints', (world, params) => createEndpoint(world, params)],
  ['GET /v1/webhook_endpoints', (world, params) => page(endpoints(world), params, '/v1/webhook_endpoints')],
  ['GET /v1/webhook_endpoints/:id', (world, _, id) => told(found(world.webhookEndpoints, 'webhook endpoint', id))],
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
  if (!URL.canParse(url)) throw invalid('Invalid URL: An explicit scheme (such as https) must be provided.', 'url');
  if (world.webhookEndpoints.size >= MAX_ENDPOINTS)
    throw invalid(`You have reached the maximum of ${MAX_ENDPOINTS} test webhook endpoints.`);
  const id = world.id('we');
  const endpoint: WebhookEndpoint = {
    id,
    object: 'webhook_endpoint',
    api_version: text(params['api_version']) ?? null,
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
const told = ({ secret: _, ...rest }: WebhookEndpoint): WebhookEndpoint => rest;

const endpoints = (world: World): WebhookEndpoint[] => [...world.webhookEndpoints.values()].map(told);

function updateEndpoint(world: World, params: Params, id: string): WebhookEndpoint {
  const endpoint = found(world.webhookEndpoints, 'webhook endpoint', id);
  endpoint.url = text(params['url']) ?? endpoint.url;
  if (params['enabled_events'] !== undefined) endpoint.enabled_events = eventsOf(params);
  endpoint.description = text(params['description']) ?? endpoint.description;
  endpoint.metadata = { ...endpoint.metadata, ...texts(params['metadata']) };
  const isDisabled = flag(params['disabled']);
  if (isDisabled !== undefined) endpoint.status = isDisabled ? 'disabled' : 'enabled';
  return told(endpoint);
}

function eventsOf(params: Params): string[] {
  const given = params['enabled_events'];
  const names = Array.isArray(given) ? given.filter((name) => typeof name === 'string') : [];
  if (names.length === 0) throw invalid('Missing required param: enabled_events.', 'enabled_events');
  // Only all of them have a short name: there are no patterns.
  const unknown = names.find((name) => name !== '*' && !/^[a-z_0-9]+(?:\.[a-z_0-9]+)+$/.test(name));
  if (unknown !== undefined) throw invalid(`Invalid enabled_events: ${unknown}`, 'enabled_events');
  return names;
}
