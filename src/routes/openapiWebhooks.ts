import { resolver } from 'hono-openapi';
import { DELIVERY_TYPES, type DeliveryType, PING } from '../domain/webhooks.ts';
import { EVENT_SCHEMAS } from './webhookRepresentations.ts';

const text = { type: 'string' as const };

/** Standard Webhooks, "Webhook Headers (sending metadata to consumers)". */
const HEADERS = [
  {
    in: 'header',
    name: 'webhook-id',
    required: true,
    description: 'Names the event: the same in every attempt and in every replay.',
    schema: text,
  },
  {
    in: 'header',
    name: 'webhook-timestamp',
    required: true,
    description: 'When the attempt was made, in seconds since 1970.',
    schema: { ...text, pattern: '^\\d+$' },
  },
  {
    in: 'header',
    name: 'webhook-signature',
    required: true,
    description: '`v1,` and the base64 of an HMAC-SHA256 over `id.timestamp.body`, by each secret that is valid.',
    schema: { ...text, pattern: '^v1,[A-Za-z0-9+/]{43}=( v1,[A-Za-z0-9+/]{43}=)*$' },
  },
];

const SUMMARIES: Readonly<Record<DeliveryType, string>> = {
  'generation.processing': 'A worker has begun',
  'generation.completed': 'The pictures are there',
  'generation.failed': 'It has failed, and is refunded',
  'generation.cancelled': 'It was cancelled, and is refunded',
  [PING]: 'You have asked for a test event',
};

/**
 * What is sent to the endpoints of users, in the form of OpenAPI (https://spec.openapis.org/oas/v3.1.0#oasWebhooks), and the schemas that it
 * names.
 */
export async function describeWebhooks() {
  const described = await Promise.all(
    DELIVERY_TYPES.map(async (type) => {
      const event = EVENT_SCHEMAS[type];
      const { components } = await resolver(event).toOpenAPISchema({ options: { io: 'output' } });
      const schema = { $ref: `#/components/schemas/${event.meta()?.id}` };
      const post = {
        operationId: `on-${type}`,
        summary: SUMMARIES[type],
        tags: ['webhooks'],
        parameters: HEADERS,
        requestBody: { required: true, content: { 'application/json': { schema } } },
        responses: {
          '2XX': { description: 'Taken.' },
          410: { description: 'Nothing more is wanted: the endpoint is disabled.' },
          default: { description: 'Tried again later, also after a redirect.' },
        },
      };
      return { type, post, schemas: components?.schemas };
    }),
  );
  return {
    webhooks: Object.fromEntries(described.map(({ type, post }) => [type, { post }])),
    schemas: Object.assign({}, ...described.map(({ schemas }) => schemas)),
  };
}
