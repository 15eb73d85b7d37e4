import { livingCustomer } from './customers.ts';
import { flag, isObject, type Param, type Params, text, texts } from './form.ts';
import { page } from './lists.ts';
import { found, invalid, Refusal } from './refusals.ts';
import type { Route } from './routes.ts';
import type { PortalConfiguration, PortalSession } from './shapes.ts';
import type { World } from './world.ts';

const CONFIGURATIONS = '/v1/billing_portal/configurations';

export const portalRoutes: Route[] = [
  ['POST /v1/billing_portal/sessions', (world, params) => createSession(world, params)],
  [`POST ${CONFIGURATIONS}`, (world, params) => createConfiguration(world, params)],
  [`GET ${CONFIGURATIONS}`, (world, params) => page(asked(world, params), params, CONFIGURATIONS)],
  [`GET ${CONFIGURATIONS}/:id`, (world, _, id) => found(world.portalConfigurations, 'configuration', id)],
  [`POST ${CONFIGURATIONS}/:id`, (world, params, id) => updateConfiguration(world, params, id)],
];

function asked(world: World, params: Params): PortalConfiguration[] {
  const active = flag(params['active']);
  const isDefault = flag(params['is_default']);
  return [...world.portalConfigurations.values()].filter(
    (one) =>
      (active === undefined || one.active === active) && (isDefault === undefined || one.is_default === isDefault),
  );
}

function createSession(world: World, params: Params): PortalSession {
  const customer = livingCustomer(world, params);
  const configuration = configurationOf(world, text(params['configuration']));
  const id = world.id('bps');
  const session: PortalSession = {
    id,
    object: 'billing_portal.session',
    configuration: configuration.id,
    created: world.now,
    customer: customer.id,
    livemode: false,
    return_url: text(params['return_url']) ?? null,
    url: `https://billing.stripe.com/p/session/${id}`,
  };
  world.portalSessions.set(id, session);
  return session;
}

/** Without one of its own, a session takes what the dashboard has saved; what the API has made is never that default. */
function configurationOf(world: World, id: string | undefined): PortalConfiguration {
  const configurations = [...world.portalConfigurations.values()];
  const chosen = configurations.find((one) => (id === undefined ? one.is_default : one.id === id));
  if (chosen) return chosen;
  if (id !== undefined)
    throw new Refusal(400, {
      code: 'resource_missing',
      message: `No such configuration: '${id}'`,
      param: 'configuration',
    });
  throw invalid(
    'No configuration provided and your test mode default configuration has not been created. Provide a configuration or create your default by saving your customer portal settings in test mode at https://dashboard.stripe.com/test/settings/billing/portal.',
  );
}

/** Somebody saves the settings of the portal in the dashboard. */
export function saveDashboardPortal(world: World): PortalConfiguration {
  const saved = createConfiguration(world, { features: {} });
  saved.is_default = true;
  return saved;
}

function createConfiguration(world: World, params: Params): PortalConfiguration {
  if (params['features'] === undefined) throw invalid('Missing required param: features.', 'features');
  const id = world.id('bpc');
  const configuration: PortalConfiguration = {
    id,
    object: 'billing_portal.configuration',
    active: true,
    business_profile: params['business_profile'] ?? {},
    created: world.now,
    default_return_url: text(params['default_return_url']) ?? null,
    features: typed(params['features']),
    is_default: false,
    livemode: false,
    metadata: texts(params['metadata']),
    name: text(params['name']) ?? null,
  };
  world.portalConfigurations.set(id, configuration);
  return configuration;
}

function updateConfiguration(world: World, params: Params, id: string): PortalConfiguration {
  const configuration = found(world.portalConfigurations, 'configuration', id);
  configuration.active = flag(params['active']) ?? configuration.active;
  if (params['features'] !== undefined) configuration.features = typed(params['features']);
  configuration.business_profile = params['business_profile'] ?? configuration.business_profile;
  configuration.name = text(params['name']) ?? configuration.name;
  configuration.default_return_url = text(params['default_return_url']) ?? configuration.default_return_url;
  configuration.metadata = { ...configuration.metadata, ...texts(params['metadata']) };
  return configuration;
}

/** Flags go over the wire as words, and come back as what they are. */
function typed(value: Param | undefined): unknown {
  if (value === 'true' || value === 'false') return value === 'true';
  if (Array.isArray(value)) return value.map(typed);
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, typed(one)]));
  return value;
}
