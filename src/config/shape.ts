import type { TrustedProxy } from '../domain/clientAddress.ts';
import type { LogLevel } from './log.ts';
import type { Variables } from './variables.ts';

/** What the environment says, typed and complete. */
export interface Env {
  readonly nodeEnv: 'development' | 'test' | 'production';
  readonly isProduction: boolean;
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly trustedProxy: TrustedProxy;
    /** Whose pages may use the API; `*`: everybody's. */
    readonly corsOrigins: readonly string[];
  };
  /** The web application, without a slash at its end. */
  readonly appUrl: string;
  readonly logLevel: LogLevel;
  /** The folder of everything that this machine keeps. */
  readonly dataDir: string;
  /** Undefined: the embedded database. */
  readonly mongodbUri: string | undefined;
  /** Seconds by which the clock of quota, lifecycle and jobs is moved. */
  readonly clockOffsetSeconds: number;
  readonly worker: {
    /** Does this process work on generations? */
    readonly isEnabled: boolean;
    /** What outside workers show; undefined: there are none. */
    readonly token: string | undefined;
  };
  readonly clerk: {
    readonly publishableKey: string | undefined;
    readonly secretKey: string | undefined;
    /** PEM. Undefined: the development key is trusted. */
    readonly jwtKey: string | undefined;
    readonly webhookSigningSecret: string | undefined;
    readonly authorizedParties: readonly string[];
    /** Where the Backend API is; undefined: at Clerk. */
    readonly apiUrl: string | undefined;
  };
  readonly stripe: {
    readonly secretKey: string | undefined;
    readonly webhookSecret: string | undefined;
    readonly prices: { readonly plus: string | undefined; readonly pro: string | undefined };
    /** How the billing portal looks; undefined: as the dashboard's settings say. */
    readonly portalConfiguration: string | undefined;
    readonly apiBase: string | undefined;
  };
  /** The first one encrypts, all of them decrypt; `key` is base64 of 32 bytes. Empty: data is stored in the clear. */
  readonly fieldEncryptionKeys: readonly { readonly id: string; readonly key: string }[];
  readonly rateLimit: { readonly quotaPerMinute: number; readonly addressPerMinute: number };
  readonly images:
    | { readonly provider: 'procedural' }
    | {
        readonly provider: 'openai';
        readonly baseUrl: string;
        readonly apiKey: string;
        readonly model: string;
        readonly timeoutSeconds: number;
      };
  /** Where pictures are kept, and the variable that says so. */
  readonly storage: { readonly directory: string; readonly variable: 'STORAGE_URL' | 'ARTIFEX_DATA_DIR' };
  /** Days that generations are kept. */
  readonly cleanup: { readonly finishedDays: number; readonly failedDays: number; readonly deletedDays: number };
  /** On Cloudflare Workers, which have no disk. */
  readonly edge: {
    /** How many objects hold connections to the database. */
    readonly durableObjects: number;
    /** Where pictures are read, without a slash at the end; undefined: there are none. */
    readonly picturesUrl: string | undefined;
  };
  /** Whether events may be sent to this machine, and without https: for development. */
  readonly webhooks: { readonly allowLoopback: boolean };
  /** Where traces go; undefined: nothing is traced. */
  readonly tracing:
    | {
        /** A collector of OTLP over HTTP, without a slash at the end. */
        readonly endpoint: string;
        readonly serviceName: string;
        /** Of the traces that no caller has begun, from 0 to 1. */
        readonly ratio: number;
      }
    | undefined;
  /** Milliseconds from which a command to the database is logged as slow. */
  readonly slowQueryMs: number;
}

/** The variables, sorted by what they are about. */
export function structured(given: Variables): Env {
  return {
    nodeEnv: given.NODE_ENV,
    isProduction: given.NODE_ENV === 'production',
    http: {
      host: given.HOST,
      port: given.PORT,
      trustedProxy: given.TRUSTED_PROXY,
      corsOrigins: given.CORS_ORIGINS ?? [new URL(given.APP_URL).origin],
    },
    appUrl: given.APP_URL,
    logLevel: given.LOG_LEVEL,
    dataDir: given.ARTIFEX_DATA_DIR,
    mongodbUri: given.MONGODB_URI,
    clockOffsetSeconds: given.ARTIFEX_CLOCK_OFFSET,
    worker: { isEnabled: given.ARTIFEX_WORKER === 'on', token: given.WORKER_TOKEN },
    clerk: {
      publishableKey: given.CLERK_PUBLISHABLE_KEY,
      secretKey: given.CLERK_SECRET_KEY,
      jwtKey: given.CLERK_JWT_KEY,
      webhookSigningSecret: given.CLERK_WEBHOOK_SIGNING_SECRET,
      authorizedParties: given.CLERK_AUTHORIZED_PARTIES,
      apiUrl: given.CLERK_API_URL,
    },
    stripe: {
      secretKey: given.STRIPE_SECRET_KEY,
      webhookSecret: given.STRIPE_WEBHOOK_SECRET,
      prices: { plus: given.STRIPE_PRICE_PLUS, pro: given.STRIPE_PRICE_PRO },
      portalConfiguration: given.STRIPE_PORTAL_CONFIGURATION,
      apiBase: given.STRIPE_API_BASE,
    },
    fieldEncryptionKeys: given.FIELD_ENCRYPTION_KEYS,
    rateLimit: {
      quotaPerMinute: given.RATE_LIMIT_QUOTA_PER_MINUTE,
      addressPerMinute: given.RATE_LIMIT_ADDRESS_PER_MINUTE,
    },
    images: imagesOf(given),
    storage: storageOf(given),
    cleanup: {
      finishedDays: given.CLEANUP_FINISHED_DAYS,
      failedDays: given.CLEANUP_FAILED_DAYS,
      deletedDays: given.CLEANUP_DELETED_DAYS,
    },
    edge: { durableObjects: given.DURABLE_OBJECTS, picturesUrl: given.PICTURES_URL },
    webhooks: { allowLoopback: given.WEBHOOK_ALLOW_LOOPBACK === 'on' },
    tracing: tracingOf(given),
    slowQueryMs: given.SLOW_QUERY_MS,
  };
}

function tracingOf(given: Variables): Env['tracing'] {
  const endpoint = given.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return undefined;
  return { endpoint, serviceName: given.OTEL_SERVICE_NAME, ratio: given.OTEL_TRACES_SAMPLER_ARG };
}

function storageOf(given: Variables): Env['storage'] {
  return given.STORAGE_URL === undefined
    ? { directory: `${given.ARTIFEX_DATA_DIR}/images`, variable: 'ARTIFEX_DATA_DIR' }
    : { directory: given.STORAGE_URL, variable: 'STORAGE_URL' };
}

function imagesOf(given: Variables): Env['images'] {
  // The reader has refused `openai` without a key before it comes here.
  if (given.IMAGE_PROVIDER === 'procedural' || given.OPENAI_API_KEY === undefined) {
    return { provider: 'procedural' };
  }
  return {
    provider: 'openai',
    baseUrl: given.OPENAI_BASE_URL,
    apiKey: given.OPENAI_API_KEY,
    model: given.OPENAI_IMAGE_MODEL,
    timeoutSeconds: given.OPENAI_TIMEOUT_SECONDS,
  };
}
