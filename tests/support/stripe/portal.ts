import { livingCustomer } from './customers.ts';
import { flag, type Params, text, texts } from './form.ts';
import { page } from './lists.ts';
import { found } from './refusals.ts';
import type { Route } from './routes.ts';
import type { PortalConfiguration, PortalSession } from './shapes.ts';
import type { World } from './world.ts';

const CONFIGURATIONS = '/v1/billing_portal/configurations';

export const portalRoutes: Route[] = [
  ['POST /v1/billing_portal/sessions', (world, params) => createSession(world, params)],
  [`POST ${CONFIGURATIONS}`, (world, params) => createConfiguration(world, params)],
  [`GET ${CONFIGURATIONS}`, (world, params) => page(world.portalConfigurations.values(), params, CONFIGURATIONS)],
  [`POST ${CONFIGURATIONS}/:id`, (world, params, id) => updateConfiguration(world, params, id)],
];

function createSession(world: World, params: Params): PortalSession {
  const customer = livingCustomer(world, params);
  const id = world.id('bps');
  const session: PortalSession = {
    id,
    object: 'billing_portal.session',
    configuration: text(params['configuration']) ?? 'bpc_default',
    created: world.now,
    customer: customer.id,
    livemode: false,
    return_url: text(params['return_url']) ?? null,
    url: `https://billing.stripe.com/p/session/${id}`,
  };
  world.portalSessions.set(id, session);
  return session;
}

function createConfiguration(world: World, params: Params): PortalConfiguration {
  const id = world.id('bpc');
  const configuration: PortalConfiguration = {
    id,
    object: 'billing_portal.configuration',
    active: true,
    business_profile: params['business_profile'] ?? {},
    created: world.now,
    default_return_url: text(params['default_return_url']) ?? null,
    features: params['features'] ?? {},
    is_default: world.portalConfigurations.size === 0,
    livemode: false,
    metadata: texts(params['metadata']),
  };
  world.portalConfigurations.set(id, configuration);
  return configuration;
}

function updateConfiguration(world: World, params: Params, id: string): PortalConfiguration {
  const configuration = found(world.portalConfigurations, 'configuration', id);
  configuration.active = flag(params['active']) ?? configuration.active;
  configuration.features = params['features'] ?? configuration.features;
  configuration.business_profile = params['business_profile'] ?? configuration.business_profile;
  configuration.default_return_url = text(params['default_return_url']) ?? configuration.default_return_url;
  configuration.metadata = { ...configuration.metadata, ...texts(params['metadata']) };
  return configuration;
}
