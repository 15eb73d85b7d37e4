import { z } from 'zod';
import { LOG_LEVELS } from './log.ts';
import {
  encryptionKeys,
  fileUrl,
  httpUrl,
  matching,
  mongodbUri,
  oneOf,
  origins,
  pageOrigins,
  publicKey,
  share,
  shown,
  trustedProxy,
  wholeNumber,
} from './parsers.ts';
import { frontendApiOf } from './publishableKey.ts';

/** Every variable, the form that it has to have, and what stands where it is not given. */
export const variables = z.object({
  NODE_ENV: oneOf(['development', 'test', 'production']).default('development'),
  HOST: matching(/^[A-Za-z0-9._:[\]-]+$/, 'a host name or an IP address').default('127.0.0.1'),
  PORT: wholeNumber(0, 65_535).default(8787),
  APP_URL: httpUrl().default('http://localhost:3000'),
  LOG_LEVEL: oneOf(LOG_LEVELS).default('info'),
  ARTIFEX_DATA_DIR: z.string().default('.data'),
  ARTIFEX_WORKER: oneOf(['on', 'off']).default('on'),
  ARTIFEX_CLOCK_OFFSET: wholeNumber(-3_155_760_000, 3_155_760_000).default(0),
  MONGODB_URI: mongodbUri.optional(),
  CLERK_PUBLISHABLE_KEY: z
    .string()
    .refine((key) => frontendApiOf(key) !== null, {
      error: ({ input }) => `is ${shown(input)}: it must be Clerk's publishable key (pk_test_... or pk_live_...)`,
    })
    .optional(),
  CLERK_SECRET_KEY: matching(/^sk_\S+$/, "Clerk's secret key (sk_test_... or sk_live_...)").optional(),
  CLERK_JWT_KEY: publicKey.optional(),
  CLERK_WEBHOOK_SIGNING_SECRET: matching(/^whsec_\S+$/, "the endpoint's signing secret (whsec_...)").optional(),
  CLERK_AUTHORIZED_PARTIES: origins.default([]),
  CLERK_API_URL: httpUrl().optional(),
  STRIPE_SECRET_KEY: matching(/^[sr]k_\S+$/, "Stripe's secret or restricted key (sk_... or rk_...)").optional(),
  STRIPE_WEBHOOK_SECRET: matching(/^whsec_\S+$/, "the endpoint's signing secret (whsec_...)").optional(),
  STRIPE_PRICE_PLUS: matching(/^(?:price|plan)_\S+$/, 'the id of a price (price_...), not of a product').optional(),
  STRIPE_PRICE_PRO: matching(/^(?:price|plan)_\S+$/, 'the id of a price (price_...), not of a product').optional(),
  STRIPE_PORTAL_CONFIGURATION: matching(
    /^bpc_\S+$/,
    "the id of a configuration of Stripe's portal (bpc_...)",
  ).optional(),
  STRIPE_API_BASE: httpUrl().optional(),
  WORKER_TOKEN: matching(
    /^[A-Za-z0-9._~+/-]+=*$/,
    'letters, digits and -._~+/= (what a bearer token may hold)',
  ).optional(),
  FIELD_ENCRYPTION_KEYS: encryptionKeys.default([]),
  CORS_ORIGINS: pageOrigins.optional(),
  TRUSTED_PROXY: trustedProxy.default('none'),
  RATE_LIMIT_ADDRESS_PER_MINUTE: wholeNumber(1, 1_000_000).default(1_200),
  RATE_LIMIT_QUOTA_PER_MINUTE: wholeNumber(1, 1_000_000).default(60),
  IMAGE_PROVIDER: oneOf(['procedural', 'openai']).default('procedural'),
  OPENAI_BASE_URL: httpUrl().default('https://api.openai.com/v1'),
  OPENAI_API_KEY: matching(/^\S+$/, 'a key without blanks').optional(),
  OPENAI_IMAGE_MODEL: z.string().default('gpt-image-1'),
  OPENAI_TIMEOUT_SECONDS: wholeNumber(1, 900).default(120),
  STORAGE_URL: fileUrl.optional(),
  CLEANUP_FINISHED_DAYS: wholeNumber(1, 36_500).default(365),
  CLEANUP_FAILED_DAYS: wholeNumber(1, 36_500).default(30),
  CLEANUP_DELETED_DAYS: wholeNumber(1, 36_500).default(30),
  PICTURES_URL: httpUrl().optional(),
  DURABLE_OBJECTS: wholeNumber(1, 1_000).default(4),
  WEBHOOK_ALLOW_LOOPBACK: oneOf(['on', 'off']).default('off'),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl().optional(),
  OTEL_SERVICE_NAME: z.string().default('artifex'),
  OTEL_TRACES_SAMPLER_ARG: share.default(1),
  SLOW_QUERY_MS: wholeNumber(0, 3_600_000).default(100),
});

export type Variables = z.output<typeof variables>;
