import { z } from 'zod';
import { LOG_LEVELS, type LogLevel } from './log.ts';
import { mongodbUriProblem } from './mongodbUri.ts';
import { frontendApiOf } from './publishableKey.ts';

/** What the environment says, typed and complete. */
export interface Env {
  readonly nodeEnv: 'development' | 'test' | 'production';
  readonly isProduction: boolean;
  readonly http: { readonly host: string; readonly port: number };
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
  };
  readonly stripe: {
    readonly secretKey: string | undefined;
    readonly webhookSecret: string | undefined;
    readonly prices: { readonly plus: string | undefined; readonly pro: string | undefined };
    readonly apiBase: string | undefined;
  };
  /** The first one encrypts, all of them decrypt; `key` is base64 of 32 bytes. Empty: data is stored in the clear. */
  readonly fieldEncryptionKeys: readonly { readonly id: string; readonly key: string }[];
  readonly rateLimit: { readonly quotaPerMinute: number };
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
  /** Milliseconds from which a command to the database is logged as slow. */
  readonly slowQueryMs: number;
}

/** Thrown for a bad environment. The message has one line per variable; entry points print it and end. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}

type Source = Readonly<Record<string, string | undefined>>;

/**
 * Reads and checks the whole environment. Nothing else in the product reads it. An empty value counts as none.
 *
 * @example
 * const env = readEnv(process.env);
 * @throws {EnvironmentError} naming every variable that is bad or missing.
 */
export function readEnv(source: Source): Env {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = variables.safeParse(given);
  const problems = new Map<string, string>();
  for (const { path, message } of parsed.error?.issues ?? []) {
    problems.set(String(path[0]), message);
  }
  for (const [name, message] of contradictions(given)) {
    if (!problems.has(name)) {
      problems.set(name, message);
    }
  }
  if (!parsed.success || problems.size > 0) {
    throw new EnvironmentError([...problems].map(([name, message]) => `${name} ${message}`).join('\n'));
  }
  return frozen(structured(parsed.data));
}

/** Is this the environment of production? Answered without judging the rest, for tools that refuse to run there. */
export function isProduction(source: Source): boolean {
  return source['NODE_ENV'] === 'production';
}

const NEEDED_IN_PRODUCTION: Readonly<Record<string, string>> = {
  MONGODB_URI: 'the embedded database is for development',
  CLERK_PUBLISHABLE_KEY: 'it names the issuer that tokens must carry',
  CLERK_SECRET_KEY: 'it asks Clerk for the e-mail address and name of a new user',
  CLERK_JWT_KEY: 'it verifies tokens without a network call; without it the development key would be trusted',
  CLERK_WEBHOOK_SIGNING_SECRET: "Clerk's events are checked with it",
  STRIPE_SECRET_KEY: 'subscriptions are read and changed with it',
  STRIPE_WEBHOOK_SECRET: "Stripe's events are checked with it",
  STRIPE_PRICE_PLUS: 'Checkout sells it',
  STRIPE_PRICE_PRO: 'Checkout sells it',
  WORKER_TOKEN: 'outside workers show it',
  FIELD_ENCRYPTION_KEYS: 'subscription data is encrypted at rest',
};

/** What no variable shows by itself. */
function* contradictions(given: Record<string, unknown>): Generator<[string, string]> {
  if (given['NODE_ENV'] === 'production') {
    for (const [name, why] of Object.entries(NEEDED_IN_PRODUCTION)) {
      if (given[name] === undefined) {
        yield [name, `is missing: production needs it (${why})`];
      }
    }
    if (given['ARTIFEX_CLOCK_OFFSET'] !== undefined) {
      yield ['ARTIFEX_CLOCK_OFFSET', 'is set: production must leave it unset, its clock is not to be moved'];
    }
  }
  if (given['IMAGE_PROVIDER'] === 'openai' && given['OPENAI_API_KEY'] === undefined) {
    yield ['OPENAI_API_KEY', 'is missing: IMAGE_PROVIDER=openai needs it'];
  }
}

/** Shows a value that is no secret, on one line and not at length. */
function shown(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 80));
}

function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, { error: ({ input }) => `is ${shown(input)}: it must be one of ${words.join(', ')}` });
}

function wholeNumber(min: number, max: number) {
  const error = ({ input }: { input?: unknown }) =>
    `is ${shown(input)}: it must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .refine((text) => /^-?\d{1,12}$/.test(text) && Number(text) >= min && Number(text) <= max, { error })
    .transform(Number);
}

function matching(pattern: RegExp, right: string) {
  return z.string().regex(pattern, { error: `has not the right form: it must be ${right}` });
}

function httpUrl() {
  const error = ({ input }: { input?: unknown }) =>
    `is ${shown(input)}: it must be an http:// or https:// address without query and fragment`;
  return z
    .string()
    .refine(isHttpUrl, { error })
    .transform((text) => text.replace(/\/+$/, ''));
}

function isHttpUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return (url?.protocol === 'http:' || url?.protocol === 'https:') && !/[?#]/.test(text) && !url.username;
}

const mongodbUri = z.string().superRefine((uri, context) => {
  const problem = mongodbUriProblem(uri);
  if (problem) {
    context.addIssue({
      code: 'custom',
      message: `${problem}: it must be mongodb://HOST[:PORT][,...][/DATABASE][?OPTIONS] or mongodb+srv://HOST[/DATABASE][?OPTIONS]`,
    });
  }
});

/**
 * The DER of a 2048-bit RSA public key with the exponent 65537, up to and behind the modulus. Clerk issues no other, and
 * its SDK cuts the modulus out by these very bytes.
 */
const RSA_2048 = /^MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA[A-Za-z0-9+/]{342}IDAQAB$/;

/** Panels that take one line only carry the line ends of a PEM as `\n`. */
const publicKey = z
  .string()
  .transform((text) => text.replaceAll('\\n', '\n').replaceAll('\r', '').trim())
  .refine(
    (pem) => {
      const body = /^-----BEGIN PUBLIC KEY-----\n([\s\S]+)\n-----END PUBLIC KEY-----$/.exec(pem)?.[1];
      return body !== undefined && RSA_2048.test(body.replaceAll('\n', ''));
    },
    {
      error:
        "has not the right form: it must be the PEM public key of Clerk's API keys page (-----BEGIN PUBLIC KEY-----, 2048-bit RSA), its line ends real or written as \\n",
    },
  );

const encryptionKeys = z
  .string()
  .transform((text) =>
    text.split(',').map((entry) => {
      const [, id = '', key = ''] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/]{43}=)$/.exec(entry.trim()) ?? [];
      return { id, key };
    }),
  )
  .refine((keys) => keys.every(({ id }) => id !== '') && new Set(keys.map(({ id }) => id)).size === keys.length, {
    error: 'has not the right form: it must be ID:BASE64-OF-32-BYTES, commas between, every ID once',
  });

const origins = z
  .string()
  .transform((text) => text.split(',').map((origin) => origin.trim()))
  .refine((list) => list.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin), {
    error: 'has not the right form: it must be origins such as https://app.example.com, commas between',
  });

const fileUrl = z
  .string()
  .refine((text) => folderOf(text) !== undefined, {
    error: ({ input }) => `is ${shown(input)}: it must be the file:///... address of a folder`,
  })
  .transform((text) => folderOf(text) ?? text);

/** The path of a `file:` URL without a host; the function of `node:url` is not there on every runtime. */
function folderOf(url: string): string | undefined {
  try {
    return /^file:\/\/\/[^?#]*$/.test(url) ? decodeURIComponent(new URL(url).pathname) : undefined;
  } catch {
    return undefined;
  }
}

const variables = z.object({
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
  STRIPE_SECRET_KEY: matching(/^[sr]k_\S+$/, "Stripe's secret or restricted key (sk_... or rk_...)").optional(),
  STRIPE_WEBHOOK_SECRET: matching(/^whsec_\S+$/, "the endpoint's signing secret (whsec_...)").optional(),
  STRIPE_PRICE_PLUS: matching(/^(?:price|plan)_\S+$/, 'the id of a price (price_...), not of a product').optional(),
  STRIPE_PRICE_PRO: matching(/^(?:price|plan)_\S+$/, 'the id of a price (price_...), not of a product').optional(),
  STRIPE_API_BASE: httpUrl().optional(),
  WORKER_TOKEN: matching(
    /^[A-Za-z0-9._~+/-]+=*$/,
    'letters, digits and -._~+/= (what a bearer token may hold)',
  ).optional(),
  FIELD_ENCRYPTION_KEYS: encryptionKeys.default([]),
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
  SLOW_QUERY_MS: wholeNumber(0, 3_600_000).default(100),
});

function structured(given: z.output<typeof variables>): Env {
  return {
    nodeEnv: given.NODE_ENV,
    isProduction: given.NODE_ENV === 'production',
    http: { host: given.HOST, port: given.PORT },
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
    },
    stripe: {
      secretKey: given.STRIPE_SECRET_KEY,
      webhookSecret: given.STRIPE_WEBHOOK_SECRET,
      prices: { plus: given.STRIPE_PRICE_PLUS, pro: given.STRIPE_PRICE_PRO },
      apiBase: given.STRIPE_API_BASE,
    },
    fieldEncryptionKeys: given.FIELD_ENCRYPTION_KEYS,
    rateLimit: { quotaPerMinute: given.RATE_LIMIT_QUOTA_PER_MINUTE },
    images: imagesOf(given),
    storage: storageOf(given),
    cleanup: {
      finishedDays: given.CLEANUP_FINISHED_DAYS,
      failedDays: given.CLEANUP_FAILED_DAYS,
      deletedDays: given.CLEANUP_DELETED_DAYS,
    },
    slowQueryMs: given.SLOW_QUERY_MS,
  };
}

function storageOf(given: z.output<typeof variables>): Env['storage'] {
  return given.STORAGE_URL === undefined
    ? { directory: `${given.ARTIFEX_DATA_DIR}/images`, variable: 'ARTIFEX_DATA_DIR' }
    : { directory: given.STORAGE_URL, variable: 'STORAGE_URL' };
}

function imagesOf(given: z.output<typeof variables>): Env['images'] {
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

function frozen<Value extends object>(value: Value): Value {
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null) {
      frozen(part);
    }
  }
  return Object.freeze(value);
}
