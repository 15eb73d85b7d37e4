import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { EnvironmentError, isProduction, readEnv } from '../../src/config/env.ts';

const RSA_2048 = publicPem('rsa', 2048);
const KEY_32 = Buffer.alloc(32, 7).toString('base64');
const PUBLISHABLE = `pk_test_${btoa('clerk.example.com$')}`;

const PRODUCTION = Object.freeze({
  NODE_ENV: 'production',
  MONGODB_URI: 'mongodb://db.example.com/artifex',
  CLERK_PUBLISHABLE_KEY: PUBLISHABLE,
  CLERK_SECRET_KEY: 'sk_live_1',
  CLERK_JWT_KEY: RSA_2048,
  CLERK_WEBHOOK_SIGNING_SECRET: 'whsec_c2VjcmV0',
  STRIPE_SECRET_KEY: 'sk_live_2',
  STRIPE_WEBHOOK_SECRET: 'whsec_2',
  STRIPE_PRICE_PLUS: 'price_plus',
  STRIPE_PRICE_PRO: 'price_pro',
  WORKER_TOKEN: 'worker-token',
  FIELD_ENCRYPTION_KEYS: `k1:${KEY_32}`,
});

function publicPem(type: 'rsa', modulusLength: number): string {
  return generateKeyPairSync(type, { modulusLength }).publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

/** The lines of the refusal; fails when there is none. */
function refusal(source: Record<string, string | undefined>): string[] {
  try {
    readEnv(source);
  } catch (error) {
    if (error instanceof EnvironmentError) return error.message.split('\n');
    throw error;
  }
  throw new Error('The environment was accepted');
}

describe('an empty environment', () => {
  it('is development with every default', () => {
    expect(readEnv({})).toEqual({
      nodeEnv: 'development',
      isProduction: false,
      http: { host: '127.0.0.1', port: 8787, trustedProxy: 'none', corsOrigins: ['http://localhost:3000'] },
      appUrl: 'http://localhost:3000',
      logLevel: 'info',
      dataDir: '.data',
      mongodbUri: undefined,
      clockOffsetSeconds: 0,
      worker: { isEnabled: true, token: undefined },
      clerk: {
        publishableKey: undefined,
        secretKey: undefined,
        jwtKey: undefined,
        webhookSigningSecret: undefined,
        authorizedParties: [],
        apiUrl: undefined,
      },
      stripe: {
        secretKey: undefined,
        webhookSecret: undefined,
        prices: { plus: undefined, pro: undefined },
        portalConfiguration: undefined,
        apiBase: undefined,
      },
      fieldEncryptionKeys: [],
      rateLimit: { quotaPerMinute: 60, addressPerMinute: 1200 },
      images: { provider: 'procedural' },
      storage: { directory: '.data/images', variable: 'ARTIFEX_DATA_DIR' },
      cleanup: { finishedDays: 365, failedDays: 30, deletedDays: 30 },
      edge: { durableObjects: 4, picturesUrl: undefined },
      webhooks: { allowLoopback: false },
      slowQueryMs: 100,
    });
  });

  it('is what empty values make too', () => {
    const empty = Object.fromEntries(Object.keys(PRODUCTION).map((name) => [name, '']));

    expect(readEnv({ ...empty, PORT: '', HOST: undefined })).toEqual(readEnv({}));
  });

  it('cannot be changed once it is read', () => {
    const env = readEnv({});

    expect(() => Object.assign(env.http, { port: 1 })).toThrow(TypeError);
    expect(() => Object.assign(env, { nodeEnv: 'test' })).toThrow(TypeError);
  });
});

describe('a good value', () => {
  it.each<[string, string, unknown]>([
    ['NODE_ENV', 'test', { nodeEnv: 'test', isProduction: false }],
    ['HOST', '0.0.0.0', { http: { host: '0.0.0.0' } }],
    ['HOST', '::1', { http: { host: '::1' } }],
    ['PORT', '0', { http: { port: 0 } }],
    ['PORT', '65535', { http: { port: 65_535 } }],
    ['APP_URL', 'https://app.example.com/', { appUrl: 'https://app.example.com' }],
    ['LOG_LEVEL', 'silent', { logLevel: 'silent' }],
    [
      'ARTIFEX_DATA_DIR',
      '/var/lib/artifex',
      { dataDir: '/var/lib/artifex', storage: { directory: '/var/lib/artifex/images', variable: 'ARTIFEX_DATA_DIR' } },
    ],
    ['ARTIFEX_WORKER', 'off', { worker: { isEnabled: false } }],
    ['ARTIFEX_CLOCK_OFFSET', '-86400', { clockOffsetSeconds: -86_400 }],
    ['MONGODB_URI', 'mongodb://localhost:27017/artifex', { mongodbUri: 'mongodb://localhost:27017/artifex' }],
    ['CLERK_PUBLISHABLE_KEY', PUBLISHABLE, { clerk: { publishableKey: PUBLISHABLE } }],
    ['CLERK_SECRET_KEY', 'sk_test_1', { clerk: { secretKey: 'sk_test_1' } }],
    ['CLERK_JWT_KEY', RSA_2048, { clerk: { jwtKey: RSA_2048.trim() } }],
    ['CLERK_JWT_KEY', RSA_2048.replaceAll('\n', '\\n'), { clerk: { jwtKey: RSA_2048.trim() } }],
    ['CLERK_JWT_KEY', RSA_2048.replaceAll('\n', '\r\n'), { clerk: { jwtKey: RSA_2048.trim() } }],
    ['CLERK_WEBHOOK_SIGNING_SECRET', 'whsec_1', { clerk: { webhookSigningSecret: 'whsec_1' } }],
    [
      'CLERK_AUTHORIZED_PARTIES',
      'https://a.example.com, http://localhost:3000',
      { clerk: { authorizedParties: ['https://a.example.com', 'http://localhost:3000'] } },
    ],
    ['CLERK_API_URL', 'http://127.0.0.1:12112/', { clerk: { apiUrl: 'http://127.0.0.1:12112' } }],
    ['STRIPE_SECRET_KEY', 'rk_live_1', { stripe: { secretKey: 'rk_live_1' } }],
    ['STRIPE_WEBHOOK_SECRET', 'whsec_1', { stripe: { webhookSecret: 'whsec_1' } }],
    ['STRIPE_PRICE_PLUS', 'price_1', { stripe: { prices: { plus: 'price_1' } } }],
    ['STRIPE_PRICE_PRO', 'plan_1', { stripe: { prices: { pro: 'plan_1' } } }],
    ['STRIPE_PORTAL_CONFIGURATION', 'bpc_1', { stripe: { portalConfiguration: 'bpc_1' } }],
    ['STRIPE_API_BASE', 'http://127.0.0.1:12111', { stripe: { apiBase: 'http://127.0.0.1:12111' } }],
    ['WORKER_TOKEN', 'a.B-9_~+/=', { worker: { token: 'a.B-9_~+/=' } }],
    [
      'FIELD_ENCRYPTION_KEYS',
      `new:${KEY_32},old:${KEY_32}`,
      {
        fieldEncryptionKeys: [
          { id: 'new', key: KEY_32 },
          { id: 'old', key: KEY_32 },
        ],
      },
    ],
    ['RATE_LIMIT_QUOTA_PER_MINUTE', '1', { rateLimit: { quotaPerMinute: 1 } }],
    ['RATE_LIMIT_ADDRESS_PER_MINUTE', '7', { rateLimit: { addressPerMinute: 7 } }],
    ['CORS_ORIGINS', '*', { http: { corsOrigins: ['*'] } }],
    [
      'CORS_ORIGINS',
      'https://a.example, https://b.example',
      { http: { corsOrigins: ['https://a.example', 'https://b.example'] } },
    ],
    ['APP_URL', 'https://app.example.com/shop', { http: { corsOrigins: ['https://app.example.com'] } }],
    ['TRUSTED_PROXY', 'cloudflare', { http: { trustedProxy: 'cloudflare' } }],
    ['TRUSTED_PROXY', '2', { http: { trustedProxy: 2 } }],
    ['IMAGE_PROVIDER', 'procedural', { images: { provider: 'procedural' } }],
    ['CLEANUP_FINISHED_DAYS', '1', { cleanup: { finishedDays: 1 } }],
    ['CLEANUP_FAILED_DAYS', '90', { cleanup: { failedDays: 90 } }],
    ['CLEANUP_DELETED_DAYS', '7', { cleanup: { deletedDays: 7 } }],
    ['SLOW_QUERY_MS', '0', { slowQueryMs: 0 }],
    [
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'http://collector.example.com:4318/',
      { tracing: { endpoint: 'http://collector.example.com:4318', serviceName: 'artifex', ratio: 1 } },
    ],
    ['OTEL_TRACES_SAMPLER_ARG', '0.25', { tracing: undefined }],
    [
      'STORAGE_URL',
      'file:///srv/my%20pictures',
      { storage: { directory: '/srv/my pictures', variable: 'STORAGE_URL' } },
    ],
  ])('of %s: %s', (name, value, expected) => {
    expect(readEnv({ [name]: value })).toMatchObject(expected as object);
  });

  it('of IMAGE_PROVIDER: openai, with what it needs', () => {
    const given = { IMAGE_PROVIDER: 'openai', OPENAI_API_KEY: 'sk-1' };

    expect(readEnv(given).images).toEqual({
      provider: 'openai',
      apiKey: 'sk-1',
      baseUrl: 'https://api.openai.com/v1',
      model: 'gpt-image-1',
      timeoutSeconds: 120,
    });
    expect(
      readEnv({
        ...given,
        OPENAI_BASE_URL: 'http://localhost:1234/v1/',
        OPENAI_IMAGE_MODEL: 'sdxl',
        OPENAI_TIMEOUT_SECONDS: '5',
      }).images,
    ).toMatchObject({ baseUrl: 'http://localhost:1234/v1', model: 'sdxl', timeoutSeconds: 5 });
  });

  it.each([
    'mongodb://localhost',
    'mongodb://a:27017,b:27018,c/artifex?replicaSet=rs0&w=majority',
    'mongodb://user:p%40ss@db.example.com:27017/?authSource=admin',
    'mongodb+srv://user:pass@cluster0.abcde.mongodb.net/artifex?retryWrites=true',
    'mongodb://[::1]:27017/artifex',
    'mongodb://%2Ftmp%2Fmongodb-27017.sock/artifex',
  ])('of MONGODB_URI: %s', (uri) => {
    expect(readEnv({ MONGODB_URI: uri }).mongodbUri).toBe(uri);
  });
});

describe('a bad value', () => {
  it.each([
    ['NODE_ENV', 'staging'],
    ['NODE_ENV', 'Production'],
    ['HOST', 'http://localhost'],
    ['HOST', 'local host'],
    ['PORT', 'abc'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80.5'],
    ['PORT', '0x50'],
    ['APP_URL', 'localhost:3000'],
    ['APP_URL', 'ftp://app.example.com'],
    ['APP_URL', 'https://app.example.com/?a=1'],
    ['LOG_LEVEL', 'verbose'],
    ['ARTIFEX_WORKER', 'no'],
    ['ARTIFEX_CLOCK_OFFSET', '1h'],
    ['ARTIFEX_CLOCK_OFFSET', '1.5'],
    ['MONGODB_URI', 'localhost:27017'],
    ['MONGODB_URI', 'postgres://localhost/artifex'],
    ['MONGODB_URI', 'mongodb://'],
    ['MONGODB_URI', 'mongodb:///artifex'],
    ['MONGODB_URI', 'mongodb://user:p@ss@host/artifex'],
    ['MONGODB_URI', 'mongodb://user:p:ss@host/artifex'],
    ['MONGODB_URI', 'mongodb://user:p%ss@host/artifex'],
    ['MONGODB_URI', 'mongodb://host:port/artifex'],
    ['MONGODB_URI', 'mongodb://host:99999/artifex'],
    ['MONGODB_URI', 'mongodb://a,,b/artifex'],
    ['MONGODB_URI', 'mongodb+srv://a,b/artifex'],
    ['MONGODB_URI', 'mongodb+srv://a:27017/artifex'],
    ['MONGODB_URI', 'mongodb://host/arti fex'],
    ['MONGODB_URI', 'mongodb://host/artifex?replicaSet'],
    ['CLERK_PUBLISHABLE_KEY', 'pk_test_x'],
    ['CLERK_PUBLISHABLE_KEY', `pk_test_${btoa('clerk.example.com')}`],
    ['CLERK_SECRET_KEY', 'pk_test_1'],
    ['CLERK_JWT_KEY', 'abc'],
    ['CLERK_JWT_KEY', RSA_2048.replace('PUBLIC', 'PRIVATE')],
    ['CLERK_JWT_KEY', RSA_2048.slice(0, 200)],
    ['CLERK_JWT_KEY', publicPem('rsa', 1024)],
    ['CLERK_WEBHOOK_SIGNING_SECRET', 'secret-word'],
    ['CLERK_AUTHORIZED_PARTIES', 'app.example.com'],
    ['CLERK_AUTHORIZED_PARTIES', 'https://app.example.com/'],
    ['CLERK_API_URL', 'api.clerk.com'],
    ['STRIPE_SECRET_KEY', 'pk_live_secret'],
    ['STRIPE_WEBHOOK_SECRET', 'sk_live_secret'],
    ['STRIPE_PRICE_PLUS', 'prod_1'],
    ['STRIPE_PRICE_PRO', 'prod_1'],
    ['STRIPE_PORTAL_CONFIGURATION', 'price_1'],
    ['STRIPE_API_BASE', 'localhost'],
    ['WORKER_TOKEN', 'two words'],
    ['FIELD_ENCRYPTION_KEYS', KEY_32],
    ['FIELD_ENCRYPTION_KEYS', `k1:${Buffer.alloc(16, 7).toString('base64')}`],
    ['FIELD_ENCRYPTION_KEYS', `k1:${KEY_32},`],
    ['FIELD_ENCRYPTION_KEYS', `k1:${KEY_32},k1:${KEY_32}`],
    ['RATE_LIMIT_QUOTA_PER_MINUTE', '0'],
    ['RATE_LIMIT_ADDRESS_PER_MINUTE', '0'],
    ['CORS_ORIGINS', 'app.example.com'],
    ['CORS_ORIGINS', 'https://app.example.com/'],
    ['CORS_ORIGINS', '*,https://app.example.com'],
    ['CORS_ORIGINS', 'null'],
    ['TRUSTED_PROXY', '0'],
    ['TRUSTED_PROXY', 'yes'],
    ['CLEANUP_FINISHED_DAYS', '0'],
    ['CLEANUP_FAILED_DAYS', '-1'],
    ['CLEANUP_DELETED_DAYS', 'never'],
    ['SLOW_QUERY_MS', '1.5'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
    ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
    ['OTEL_TRACES_SAMPLER_ARG', 'always'],
    ['IMAGE_PROVIDER', 'midjourney'],
    ['OPENAI_BASE_URL', 'api.openai.com'],
    ['OPENAI_API_KEY', 'two words'],
    ['OPENAI_TIMEOUT_SECONDS', '0'],
    ['STORAGE_URL', '/srv/pictures'],
    ['STORAGE_URL', 's3://bucket'],
    ['STORAGE_URL', 'file:///srv/%zz'],
    ['STORAGE_URL', 'file:///srv/%ff'],
    ['STORAGE_URL', 'file://host/srv'],
  ])('of %s is one line that names it and says what is right: %s', (name, value) => {
    const lines = refusal({ [name]: value });

    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(new RegExp(`^${name} .+: it must be .+$`));
  });

  it.each([
    ['MONGODB_URI', 'mongodb://root:hunter2@@host'],
    ['CLERK_SECRET_KEY', 'hunter2'],
    ['CLERK_JWT_KEY', 'hunter2'],
    ['CLERK_WEBHOOK_SIGNING_SECRET', 'hunter2'],
    ['STRIPE_SECRET_KEY', 'hunter2'],
    ['STRIPE_WEBHOOK_SECRET', 'hunter2'],
    ['WORKER_TOKEN', 'hunter2 hunter2'],
    ['FIELD_ENCRYPTION_KEYS', 'k1:hunter2'],
    ['OPENAI_API_KEY', 'hunter2 hunter2'],
  ])('of the secret %s is not repeated', (name, value) => {
    expect(refusal({ [name]: value }).join()).not.toContain('hunter2');
  });

  it('does not hide another one', () => {
    const lines = refusal({ PORT: 'abc', NODE_ENV: 'staging', LOG_LEVEL: 'loud' });

    expect(lines.map((line) => line.split(' ')[0]).sort()).toEqual(['LOG_LEVEL', 'NODE_ENV', 'PORT']);
  });

  it('of one price for both tiers names it', () => {
    expect(refusal({ STRIPE_PRICE_PLUS: 'price_1', STRIPE_PRICE_PRO: 'price_1' })).toEqual([
      'STRIPE_PRICE_PRO is that of STRIPE_PRICE_PLUS: what is paid has to tell the tier',
    ]);
  });

  it('of IMAGE_PROVIDER=openai without a key names the key', () => {
    expect(refusal({ IMAGE_PROVIDER: 'openai' })).toEqual([
      'OPENAI_API_KEY is missing: IMAGE_PROVIDER=openai needs it',
    ]);
  });
});

describe('production', () => {
  it('takes a complete environment', () => {
    expect(readEnv(PRODUCTION)).toMatchObject({ nodeEnv: 'production', isProduction: true });
  });

  it.each(Object.keys(PRODUCTION).filter((name) => name !== 'NODE_ENV'))('refuses to do without %s', (name) => {
    const lines = refusal({ ...PRODUCTION, [name]: undefined });

    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(new RegExp(`^${name} is missing: production needs it`));
  });

  it('names everything that is missing at once, and what is bad besides', () => {
    const lines = refusal({ NODE_ENV: 'production', PORT: 'abc' });

    expect(lines).toHaveLength(Object.keys(PRODUCTION).length);
  });

  it.each(['1', '0', '-5'])('refuses to move its clock by %s', (offset) => {
    expect(refusal({ ...PRODUCTION, ARTIFEX_CLOCK_OFFSET: offset })).toEqual([
      expect.stringMatching(/^ARTIFEX_CLOCK_OFFSET is set: production must leave it unset/),
    ]);
  });

  it('does not let webhooks into its own network', () => {
    expect(refusal({ ...PRODUCTION, WEBHOOK_ALLOW_LOOPBACK: 'on' })).toEqual([
      expect.stringMatching(/^WEBHOOK_ALLOW_LOOPBACK is on: production must not/),
    ]);
    expect(readEnv(PRODUCTION).webhooks).toEqual({ allowLoopback: false });
    expect(readEnv({ WEBHOOK_ALLOW_LOOPBACK: 'on' }).webhooks).toEqual({ allowLoopback: true });
    expect(readEnv({}).webhooks).toEqual({ allowLoopback: false });
  });

  it('is known without reading the rest', () => {
    expect([isProduction({ NODE_ENV: 'production' }), isProduction({ NODE_ENV: 'test' }), isProduction({})]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
