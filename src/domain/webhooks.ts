/** What callers can be told of, and how hard it is tried. */

/** The statuses whose beginning is an event; that a generation waits again is none. */
export const ANNOUNCED_STATUSES = ['processing', 'completed', 'failed', 'cancelled'] as const;
export type AnnouncedStatus = (typeof ANNOUNCED_STATUSES)[number];

/** What an endpoint can subscribe to. */
export const WEBHOOK_EVENTS = [
  'generation.processing',
  'generation.completed',
  'generation.failed',
  'generation.cancelled',
] as const satisfies readonly `generation.${AnnouncedStatus}`[];
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** Sent when its owner asks for it, whatever the endpoint subscribes to. */
export const PING = 'webhook.ping';
export const DELIVERY_TYPES = [...WEBHOOK_EVENTS, PING] as const;
export type DeliveryType = (typeof DELIVERY_TYPES)[number];

export const DELIVERY_STATUSES = ['pending', 'succeeded', 'failed'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** Why an attempt failed, in words that tell a receiver's operator where to look. */
export const DELIVERY_ERRORS = [
  'name_not_found',
  'address_not_allowed',
  'connection_failed',
  'tls_failed',
  'timeout',
  'redirected',
  'status',
  'gone',
  'endpoint_disabled',
] as const;
export type DeliveryError = (typeof DELIVERY_ERRORS)[number];

/** Why an endpoint gets nothing: its owner said so, its receiver failed too often, or its receiver answered 410. */
export const DISABLED_REASONS = ['owner', 'failing', 'gone'] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const WEBHOOK_LIMITS = Object.freeze({
  endpointsPerUser: 10,
  maxUrlLength: 2048,
  /** Old secrets that still sign beside the new one. */
  maxOldSecrets: 3,
  oldSecretMs: DAY,
  /** Deliveries in a row that failed in every attempt, after which the endpoint is disabled. */
  failuresBeforeDisabled: 5,
  /** For how long a delivery can be looked up and replayed. */
  historyMs: 30 * DAY,
  /** From looking up the name to the answer. */
  timeoutMs: 15 * SECOND,
  /** A claim that is not ended by then is of a process that died; longer than any attempt takes. */
  claimMs: MINUTE,
  /** The most that a `Retry-After` can put an attempt off. */
  maxRetryAfterMs: 12 * HOUR,
  /** One ping of an endpoint in such a time. */
  pingEveryMs: 10 * SECOND,
});

/** What is waited after each failed attempt, before jitter: nine attempts over a day. */
export const RETRY_DELAYS_MS: readonly number[] = Object.freeze([
  5 * SECOND,
  MINUTE,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  7 * HOUR,
  9 * HOUR,
]);

/** A tenth to either side, so that what failed together is not tried again together. */
const JITTER = 0.1;

/**
 * How long to wait after a failed attempt, or null when it was the last.
 *
 * @param tries attempts so far
 * @param random from 0 to 1
 * @param retryAfterMs what the receiver asked for (RFC 9110 section 10.2.3)
 */
export function retryDelay(tries: number, random: number, retryAfterMs = 0): number | null {
  const delay = RETRY_DELAYS_MS[tries - 1];
  if (delay === undefined) return null;
  const jittered = delay * (1 - JITTER + 2 * JITTER * random);
  return Math.round(Math.max(jittered, Math.min(retryAfterMs, WEBHOOK_LIMITS.maxRetryAfterMs)));
}
