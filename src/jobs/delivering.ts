import { signatureHeaders } from '../domain/webhookSignature.ts';
import { type DeliveryError, retryDelay } from '../domain/webhooks.ts';
import type { Store } from '../models/store.ts';
import type { WebhookDelivery } from '../models/WebhookDelivery.ts';
import type { WebhookEndpoint } from '../models/WebhookEndpoint.ts';
import type { Outcome, Post } from '../outbound/post.ts';
import {
  type AttemptResult,
  type ClaimedDelivery,
  type Continuation,
  dropDelivery,
  endAttempt,
  giveDeliveryBack,
} from '../repositories/webhookDeliveries.ts';
import {
  countFailedDelivery,
  disableEndpoint,
  findEndpoint,
  forgiveEndpoint,
  presentUsers,
} from '../repositories/webhookEndpoints.ts';

export interface DeliveringDeps {
  store: Store;
  post: Post;
  /** The body of a delivery to an endpoint that reaches this server at `origin`. */
  bodyOf: (delivery: WebhookDelivery, origin: string) => string;
  observer: DeliveryObserver;
  /** The clock that receivers hold timestamps against; what moves the clock of jobs does not move it. */
  wallClock?: () => Date;
  /** From 0 to 1. */
  random?: () => number;
}

/** Told of every attempt, and of what becomes of deliveries and endpoints. */
export interface DeliveryObserver {
  /** @param lateSeconds how long after it was due */
  attempted(outcome: 'delivered' | DeliveryError, lateSeconds: number): void;
  ended(status: 'succeeded' | 'failed'): void;
  endpointDisabled(reason: 'failing' | 'gone'): void;
}

const USER_AGENT = 'Artifex-Webhooks/1';

/**
 * Makes one attempt of a claimed delivery and writes down what it has come to. What happens to the endpoint is written first, and may be
 * written twice; so whoever dies here leaves a claim that runs out, and the delivery is attempted again.
 *
 * @param signal gives the delivery back, as if it had not been attempted
 */
export async function attempt(deps: DeliveringDeps, claimed: ClaimedDelivery, signal: AbortSignal): Promise<void> {
  const { store } = deps;
  const [endpoint, present] = await Promise.all([
    findEndpoint(store, claimed.endpointId),
    presentUsers(store, [claimed.userId]),
  ]);
  if (!endpoint) return dropDelivery(store, claimed);
  if (!endpoint.enabled || endpoint.isDeleted || present.size === 0) {
    return conclude(deps, claimed, { lastError: 'endpoint_disabled' }, { status: 'failed' });
  }
  const outcome = await postTo(deps, endpoint, claimed, signal).catch((error: unknown) => {
    if (signal.aborted) return null;
    throw error;
  });
  if (outcome === null) return giveDeliveryBack(store, claimed);
  return digest(deps, claimed, endpoint, outcome);
}

async function postTo(
  { store, post, bodyOf, wallClock = () => new Date() }: DeliveringDeps,
  { url, origin, secrets }: WebhookEndpoint,
  delivery: ClaimedDelivery,
  signal: AbortSignal,
): Promise<Outcome> {
  const body = bodyOf(delivery, origin);
  const signed = { id: delivery.eventId, body, secrets, now: store.clock.now() };
  const headers = {
    'content-type': 'application/json',
    'user-agent': USER_AGENT,
    ...(await signatureHeaders(signed, wallClock())),
  };
  return post({ url, headers, body }, signal);
}

async function digest(
  deps: DeliveringDeps,
  claimed: ClaimedDelivery,
  endpoint: WebhookEndpoint,
  outcome: Outcome,
): Promise<void> {
  const { store, observer, random = Math.random } = deps;
  const result = resultOf(outcome);
  if (result.lastError === undefined) {
    if (endpoint.failedDeliveries.length > 0) await forgiveEndpoint(store, endpoint._id);
    return conclude(deps, claimed, result, { status: 'succeeded' });
  }
  if (result.lastError === 'gone') {
    if (await disableEndpoint(store, endpoint._id, 'gone')) observer.endpointDisabled('gone');
    return conclude(deps, claimed, result, { status: 'failed' });
  }
  const now = store.clock.now();
  const asked = 'retryAfter' in outcome ? retryAfterMs(outcome.retryAfter, deps.wallClock?.() ?? new Date()) : 0;
  const delay = retryDelay(claimed.tries, random(), asked);
  if (delay !== null) {
    return conclude(deps, claimed, result, { status: 'pending', nextAttemptAt: new Date(now.getTime() + delay) });
  }
  if (await countFailedDelivery(store, endpoint._id, claimed._id)) observer.endpointDisabled('failing');
  return conclude(deps, claimed, result, { status: 'failed' });
}

async function conclude(
  { store, observer }: DeliveringDeps,
  claimed: ClaimedDelivery,
  result: AttemptResult,
  next: Continuation,
): Promise<void> {
  const late = ((claimed.lastAttemptAt ?? claimed.nextAttemptAt).getTime() - claimed.nextAttemptAt.getTime()) / 1000;
  observer.attempted(result.lastError ?? 'delivered', Math.max(0, late));
  const isWritten = await endAttempt(store, claimed, result, next);
  if (isWritten && next.status !== 'pending') observer.ended(next.status);
}

/** Standard Webhooks, "Delivery success and failure": 2xx is success, a redirect is none, 410 wants nothing more. */
function resultOf(outcome: Outcome): AttemptResult {
  if ('error' in outcome) return { lastError: outcome.error };
  const { status } = outcome;
  if (status >= 200 && status < 300) return { lastStatus: status };
  if (status === 410) return { lastStatus: status, lastError: 'gone' };
  return { lastStatus: status, lastError: status >= 300 && status < 400 ? 'redirected' : 'status' };
}

/** RFC 9110 section 10.2.3: seconds, or a date. */
function retryAfterMs(text: string | undefined, now: Date): number {
  if (text === undefined) return 0;
  const milliseconds = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now.getTime();
  return Number.isNaN(milliseconds) ? 0 : Math.max(0, milliseconds);
}
