import { z } from 'zod';
import {
  DELIVERY_ERRORS,
  DELIVERY_STATUSES,
  DELIVERY_TYPES,
  type DeliveryType,
  DISABLED_REASONS,
  PING,
  WEBHOOK_EVENTS,
  WEBHOOK_LIMITS,
} from '../domain/webhooks.ts';
import type { WebhookDelivery } from '../models/WebhookDelivery.ts';
import type { WebhookEndpoint } from '../models/WebhookEndpoint.ts';
import { readable, represent, writable } from './permitted.ts';
import { generationOut, generationSchema } from './representations.ts';
import { instantSchema } from './schemas.ts';

const url = z
  .string()
  .min(1)
  .max(WEBHOOK_LIMITS.maxUrlLength)
  .describe('An https address of the public internet; events are sent there by POST.');
const events = z
  .array(z.enum(WEBHOOK_EVENTS))
  .min(1)
  .max(WEBHOOK_EVENTS.length)
  .refine((list) => new Set(list).size === list.length, 'Name each event once')
  .meta({ uniqueItems: true })
  .describe('What it is told of.');
const enabled = z.boolean().describe('A disabled endpoint is told of nothing, also not later.');

export const endpointRequestSchema = writable(
  {
    resource: 'WebhookEndpoint',
    by: 'self',
    id: 'WebhookEndpointRequest',
    example: { url: 'https://hooks.example.com/artifex', events: ['generation.completed'] },
  },
  { url, events, enabled: enabled.default(true) },
);

/** What is left out stays as it is. */
export const endpointChangesSchema = writable(
  { resource: 'WebhookEndpoint', by: 'self', id: 'WebhookEndpointChanges', example: { enabled: false } },
  { url: url.exactOptional(), events: events.exactOptional(), enabled: enabled.exactOptional() },
);

const endpoint = {
  id: z.string(),
  url: z.string(),
  events: z.array(z.enum(WEBHOOK_EVENTS)),
  enabled: z.boolean(),
  disabledReason: z
    .enum(DISABLED_REASONS)
    .nullable()
    .describe('`owner`: you did; `failing`: too many deliveries in a row failed; `gone`: the receiver answered 410.'),
  disabledAt: instantSchema.nullable(),
  createdAt: instantSchema,
  updatedAt: instantSchema,
};

export const endpointSchema = readable({ resource: 'WebhookEndpoint', by: 'self', id: 'WebhookEndpoint' }, endpoint);

export const endpointWithSecretSchema = readable(
  { resource: 'WebhookEndpoint', by: 'self', id: 'WebhookEndpointWithSecret' },
  { ...endpoint, secret: z.string().describe('Verifies signatures. It is shown this once.') },
);

export function endpointOut(document: WebhookEndpoint): z.input<typeof endpointSchema> {
  return represent(endpointSchema, endpointFields(document));
}

export function endpointWithSecretOut(
  document: WebhookEndpoint,
  secret: string,
): z.input<typeof endpointWithSecretSchema> {
  return represent(endpointWithSecretSchema, { ...endpointFields(document), secret });
}

function endpointFields(document: WebhookEndpoint) {
  return {
    id: document._id.toHexString(),
    url: document.url,
    events: document.events,
    enabled: document.enabled,
    disabledReason: document.disabledReason ?? null,
    disabledAt: document.disabledAt?.toISOString() ?? null,
    createdAt: document.createdAt.toISOString(),
    updatedAt: document.updatedAt.toISOString(),
  };
}

export const deliverySchema = readable(
  { resource: 'WebhookDelivery', by: 'self', id: 'WebhookDelivery' },
  {
    id: z.string(),
    eventId: z.string().describe('The header `webhook-id`: the same in every attempt.'),
    type: z.enum(DELIVERY_TYPES),
    status: z.enum(DELIVERY_STATUSES),
    attempts: z.int().nonnegative(),
    nextAttemptAt: instantSchema.nullable().describe('Null when it has ended.'),
    lastAttemptAt: instantSchema.nullable(),
    lastStatus: z.int().nullable().describe('The HTTP status of the last attempt; null when it was not answered.'),
    lastError: z.enum(DELIVERY_ERRORS).nullable().describe('Why the last attempt failed; null when it did not.'),
    createdAt: instantSchema,
    endedAt: instantSchema.nullable(),
  },
);

export function deliveryOut(document: WebhookDelivery): z.input<typeof deliverySchema> {
  return represent(deliverySchema, {
    id: document._id.toHexString(),
    eventId: document.eventId,
    type: document.type,
    status: document.status,
    attempts: document.attempts,
    nextAttemptAt: document.nextAttemptAt?.toISOString() ?? null,
    lastAttemptAt: document.lastAttemptAt?.toISOString() ?? null,
    lastStatus: document.lastStatus ?? null,
    lastError: document.lastError ?? null,
    createdAt: document.createdAt.toISOString(),
    endedAt: document.endedAt?.toISOString() ?? null,
  });
}

const pinged = z.object({ endpointId: z.string().describe('The endpoint that was pinged.') });

/** What is sent, by its type: Standard Webhooks, "Payload structure". */
export const EVENT_SCHEMAS = {
  'generation.processing': eventSchema('generation.processing', 'GenerationProcessingEvent', generationSchema),
  'generation.completed': eventSchema('generation.completed', 'GenerationCompletedEvent', generationSchema),
  'generation.failed': eventSchema('generation.failed', 'GenerationFailedEvent', generationSchema),
  'generation.cancelled': eventSchema('generation.cancelled', 'GenerationCancelledEvent', generationSchema),
  [PING]: eventSchema(PING, 'PingEvent', pinged),
} as const satisfies Record<DeliveryType, z.ZodObject>;

function eventSchema<Type extends DeliveryType, Data extends z.ZodObject>(type: Type, id: string, data: Data) {
  return z.object({ type: z.literal(type), timestamp: instantSchema.describe('When it happened.'), data }).meta({ id });
}

/** The text of an event. */
export function webhookBody({ type, eventAt, data, endpointId }: WebhookDelivery, origin: string): string {
  const sent = { type, timestamp: eventAt.toISOString() };
  const ping: z.input<typeof pinged> = { endpointId: endpointId.toHexString() };
  return JSON.stringify({ ...sent, data: data ? generationOut(data, origin) : ping });
}
