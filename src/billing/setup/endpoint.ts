import Stripe from 'stripe';
import { SUBSCRIBED_EVENTS } from '../events.ts';
import { once } from './once.ts';

/** Where events are taken, behind the host. */
const PATH = '/webhooks/stripe';

/**
 * The endpoint to which Stripe sends its events: found by its address, mended where it is disabled or lacks events, or made.
 *
 * @param host `https://...`, without a slash at its end
 * @param tell told of what is done, in a line
 * @returns the signing secret of a new one; Stripe tells it once, and so null for one that was there
 */
export async function webhookEndpoint(
  stripe: Stripe,
  host: string,
  tell: (line: string) => void,
): Promise<string | null> {
  const url = `${host}${PATH}`;
  const { object: endpoint, isNew } = await once({
    key: `endpoint:${url}`,
    find: () => endpointAt(stripe, url),
    create: (idempotencyKey) =>
      stripe.webhookEndpoints.create(
        {
          url,
          enabled_events: [...SUBSCRIBED_EVENTS],
          api_version: Stripe.API_VERSION,
          description: 'Artifex',
          metadata: { artifex: 'webhooks' },
        },
        { idempotencyKey },
      ),
  });
  if (isNew && endpoint.secret !== undefined) {
    tell(`Made the webhook endpoint ${endpoint.id} for ${url}`);
    return endpoint.secret;
  }
  await mend(stripe, endpoint, tell);
  tell(
    `Stripe tells a signing secret only when it makes an endpoint. That of ${endpoint.id} stands in the dashboard, under Webhooks: set STRIPE_WEBHOOK_SECRET to it where that is not set yet. Or delete the endpoint there, and run this again.`,
  );
  return null;
}

/** One that is enabled, where there are several. */
async function endpointAt(stripe: Stripe, url: string): Promise<Stripe.WebhookEndpoint | null> {
  const endpoints = await stripe.webhookEndpoints.list({ limit: 100 }).autoPagingToArray({ limit: 1_000 });
  const [first, ...others] = endpoints.filter((endpoint) => endpoint.url === url);
  return [first, ...others].find((endpoint) => endpoint?.status === 'enabled') ?? first ?? null;
}

async function mend(
  stripe: Stripe,
  { id, url, status, enabled_events: enabled, api_version }: Stripe.WebhookEndpoint,
  tell: (line: string) => void,
): Promise<void> {
  const lacking = enabled.includes('*') ? [] : SUBSCRIBED_EVENTS.filter((event) => !enabled.includes(event));
  const isDisabled = status === 'disabled';
  if (lacking.length > 0 || isDisabled) {
    await stripe.webhookEndpoints.update(id, {
      ...(lacking.length > 0 && { enabled_events: [...SUBSCRIBED_EVENTS] }),
      ...(isDisabled && { disabled: false }),
    });
    const was = [
      ...(isDisabled ? ['was disabled'] : []),
      ...(lacking.length > 0 ? [`lacked ${lacking.join(', ')}`] : []),
    ];
    tell(`Updated the webhook endpoint ${id} for ${url}: it ${was.join(' and ')}`);
  } else {
    tell(`Found the webhook endpoint ${id} for ${url}`);
  }
  if (api_version !== Stripe.API_VERSION)
    tell(
      `Its events are written in version ${api_version ?? "of the account's default"}, not ${Stripe.API_VERSION}, and Stripe lets nobody change that. They are understood all the same: an event is only a hint.`,
    );
}
