import { Types } from 'mongoose';
import { createApp } from '@/app.ts';
import { type Billing, createBilling } from '@/billing/billing.ts';
import type { Env } from '@/config/env.ts';
import { perMinute } from '@/domain/rateLimit.ts';
import type { ClerkAccess } from '@/identity/clerk.ts';
import { createIdentities } from '@/identity/identities.ts';
import { clerkProfiles, noProfiles } from '@/identity/profiles.ts';
import { readClerkEvent } from '@/identity/webhook.ts';
import { createGenerationWatch } from '@/jobs/generationWatch.ts';
import { createInbox, type Inbox } from '@/jobs/inbox.ts';
import { createMaintenance } from '@/jobs/maintenance.ts';
import type { RunningJob } from '@/jobs/repeat.ts';
import type { Peer } from '@/middleware/context.ts';
import { memoryLimiter } from '@/middleware/memoryLimiter.ts';
import { onLedgerEntry } from '@/models/statements/ledgerWatch.ts';
import { onQuotaAlert } from '@/models/statements/quotaAlerts.ts';
import { createObservability } from '@/observability/observability.ts';
import { inboxDepth } from '@/repositories/inbox.ts';
import { createLimitMemory, type LimiterOptions, sharedLimiter } from '@/repositories/sharedLimiter.ts';
import type { PictureStorage } from '@/storage/port.ts';
import { clerkEvents } from '@/workflows/clerkEvents.ts';
import type { Context } from '@/workflows/context.ts';
import type { GenerationWatch } from '@/workflows/followGeneration.ts';
import { readOperation } from '@/workflows/readOperation.ts';
import { keptLog, type LogLine } from './api.ts';
import { contextOf } from './context.ts';
import type { TestStore } from './database.ts';
import { createTokenIssuer, type TokenIssuer } from './tokens.ts';

/** What outside workers show in tests. */
export const WORKER_TOKEN = 'the-token.of~all+workers/0123456789==';

/** The real application over a test's database, and somebody to sign in as. */
export interface TestApplication {
  ctx: TestStore & Context;
  billing: Billing;
  inbox: Inbox;
  issuer: TokenIssuer;
  watch: GenerationWatch & RunningJob;
  pictures: Map<string, { bytes: Uint8Array; contentType: string }>;
  lines: LogLine[];
  /** Somebody who was never seen before. */
  person(claims?: Record<string, unknown>): Promise<Caller>;
  request(path: string, init?: RequestInit, peer?: Peer): Promise<Response>;
}

/** A person with a session token. */
export interface Caller {
  clerkUserId: string;
  token: string;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** A body as it stands, which need not be JSON. */
  raw(path: string, body: string, contentType?: string): Promise<Response>;
  patch(path: string, body: unknown): Promise<Response>;
  delete(path: string): Promise<Response>;
}

/** The origin whose pages may use the application. */
export const PAGE = 'https://app.example.com';

/** Signs what Clerk sends in tests. */
export const CLERK_WEBHOOK_SECRET = `whsec_${btoa('clerk-webhooks-of-the-tests')}`;

/** Signs what Stripe sends in tests. */
export const STRIPE_WEBHOOK_SECRET = 'whsec_stripe_of_the_tests';

const UNLIMITED = 1_000_000;

interface Options {
  quotaPerMinute?: number;
  addressPerMinute?: number;
  limiter?: LimiterOptions;
  workerToken?: string | null;
  /** Where Stripe is; without it, there is none. */
  stripe?: Partial<Env['stripe']>;
  /** Where Clerk is, and how long it is waited for; without it, nobody is asked. */
  clerk?: ClerkAccess & { deadlineMs?: number };
}

/**
 * @param options.quotaPerMinute without it, more than any test asks
 * @param options.addressPerMinute likewise, of requests that do not prove who asks
 * @param options.limiter how the limit of quota routes is shared
 * @param options.workerToken what outside workers show; null: there are none
 */
export async function testApplication(
  store: TestStore,
  {
    quotaPerMinute = UNLIMITED,
    addressPerMinute = UNLIMITED,
    limiter = {},
    workerToken = WORKER_TOKEN,
    stripe = {},
    clerk,
  }: Options = {},
): Promise<TestApplication> {
  const issuer = await createTokenIssuer();
  const { log, lines } = keptLog();
  const observability = createObservability({ log, slowQueryMs: 100 });
  const ctx = Object.assign(contextOf(store), { log });
  onQuotaAlert(store, observability.alertQuota);
  onLedgerEntry(store, observability.entryRecorded);
  observability.inbox.watch(() => inboxDepth(store));
  const pictures = new Map<string, { bytes: Uint8Array; contentType: string }>();
  const storage = storageOf(pictures);
  const billing = createBilling(
    {
      secretKey: undefined,
      webhookSecret: STRIPE_WEBHOOK_SECRET,
      apiBase: undefined,
      portalConfiguration: undefined,
      prices: { plus: undefined, pro: undefined },
      ...stripe,
    },
    ctx,
    PAGE,
  );
  const inbox = createInbox(ctx, { stripe: billing.apply, clerk: clerkEvents(ctx) }, observability.inbox.attempted);
  const cleanup = { finishedDays: 365, failedDays: 30, deletedDays: 30 };
  const watch = createGenerationWatch(ctx, observability.streamsChanged);
  const app = createApp({
    log,
    ctx,
    watch,
    storage,
    billing,
    inbox,
    inbound: {
      stripe: billing.read,
      clerk: (payload, headers) => readClerkEvent(CLERK_WEBHOOK_SECRET, payload, headers),
    },
    maintenance: createMaintenance({ ctx, storage, cleanup, observer: observability.jobs }),
    webhooks: { allowLoopback: false },
    sessions: issuer.trust,
    workerToken: workerToken ?? undefined,
    corsOrigins: [PAGE],
    trustedProxy: 'none',
    addressLimiter: memoryLimiter(perMinute(addressPerMinute)),
    quotaLimiter: sharedLimiter(store, createLimitMemory(perMinute(quotaPerMinute)), limiter),
    identities: createIdentities((isHit) => observability.cacheLookedUp('identities', isHit)),
    requestAnswered: observability.requestAnswered,
    metrics: observability.exposition,
    profiles: clerk ? clerkProfiles(clerk, log, clerk.deadlineMs) : noProfiles,
    isPrepared: () => true,
    operation: () => readOperation(store),
    configured: { stripe: true },
    health: () => ({ isConnected: true }),
  });
  const request = async (path: string, init?: RequestInit, peer?: Peer) => app.request(path, init, peer);

  async function person(claims: Record<string, unknown> = {}): Promise<Caller> {
    const clerkUserId = `user_${new Types.ObjectId().toHexString()}`;
    const token = await issuer.sign({ sub: clerkUserId, exp: Math.floor(Date.now() / 1000) + 600, ...claims });
    const authorization = { Authorization: `Bearer ${token}` };
    return {
      clerkUserId,
      token,
      get: (path, headers = {}) => request(path, { headers: { ...authorization, ...headers } }),
      post: (path, body, headers = {}) =>
        request(path, {
          method: 'POST',
          headers: {
            ...authorization,
            ...(body !== undefined && { 'Content-Type': 'application/json' }),
            ...headers,
          },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        }),
      raw: (path, body, contentType = 'application/json') =>
        request(path, { method: 'POST', headers: { ...authorization, 'Content-Type': contentType }, body }),
      patch: (path, body) =>
        request(path, {
          method: 'PATCH',
          headers: { ...authorization, 'Content-Type': 'application/json' },
          body: JSON.stringify(body),
        }),
      delete: (path) => request(path, { method: 'DELETE', headers: authorization }),
    };
  }

  return { ctx, billing, inbox, issuer, watch, pictures, lines, person, request };
}

function storageOf(pictures: Map<string, { bytes: Uint8Array; contentType: string }>): PictureStorage {
  return {
    async put(bytes, contentType) {
      const name = `${crypto.randomUUID()}.png`;
      pictures.set(name, { bytes, contentType });
      return name;
    },
    get: async (name) => pictures.get(name) ?? null,
    async remove(name) {
      pictures.delete(name);
    },
  };
}
