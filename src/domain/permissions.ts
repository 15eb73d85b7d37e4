/**
 * Who may read and write each field, in one place. The schemas of requests and answers are made from this table, so a field
 * that is not in it can neither enter nor leave.
 *
 * - `self`: the user whose it is, by session token.
 * - `admin`: somebody whose token carries the role.
 * - `worker`: an outside worker that holds the lease.
 * - `outside`: anybody, without a token.
 */
export const AUDIENCES = ['self', 'admin', 'worker', 'outside'] as const;
export type Audience = (typeof AUDIENCES)[number];

export interface Permission<Reader extends Audience = Audience, Writer extends Audience = Audience> {
  readonly read: readonly Reader[];
  readonly write: readonly Writer[];
}

function permission<Reader extends Audience = never, Writer extends Audience = never>(
  read: readonly Reader[],
  write: readonly Writer[] = [],
): Permission<Reader, Writer> {
  return Object.freeze({ read, write });
}

/** What the product itself keeps. */
const internal = permission([]);
const shown = permission(['self', 'admin']);
const shownToAdmins = permission(['admin']);
/** The user's own, to read and to choose. */
const own = permission(['self', 'admin'], ['self']);
/** A part of a request that is for a worker too. */
const asked = permission(['self', 'admin', 'worker'], ['self']);
const shownToWorkers = permission(['self', 'admin', 'worker']);
/** What a worker has made of it. */
const made = permission(['self', 'admin', 'worker'], ['worker']);
const toSelf = permission(['self']);
const fromSelf = permission([], ['self']);
const fromAdmins = permission([], ['admin']);
const fromWorkers = permission([], ['worker']);

/** The fields of each model, by the names that they have in the database; `id` is `_id`. */
const MODELS = {
  User: {
    id: shown,
    clerkUserId: shown,
    email: shown,
    name: own,
    subscriptionTier: shown,
    monthlyUsage: shown,
    totalImagesGenerated: shown,
    preferences: own,
    settings: own,
    createdAt: shown,
    /** Follows from tier, usage and grants. */
    quota: shown,
    remainingQuota: shown,
    subscription: shownToAdmins,
    isDeleted: shownToAdmins,
    deletedAt: shownToAdmins,
    updatedAt: internal,
    quotaAnchor: internal,
    periodStart: internal,
    quotaResetDate: internal,
    paidAnchor: internal,
    followed: internal,
    periodNumber: internal,
    grantedCredits: internal,
    quotaAlert: internal,
    entrySequence: internal,
    openEntries: internal,
    sweepAt: internal,
    forgottenThrough: internal,
    identityVersion: internal,
    identityHashes: internal,
    erasedAt: internal,
  },
  Subscription: {
    id: shownToAdmins,
    userId: internal,
    tier: shown,
    status: shown,
    currentPeriodStart: shownToAdmins,
    currentPeriodEnd: shown,
    trialStart: shownToAdmins,
    trialEnd: shownToAdmins,
    cancelAtPeriodEnd: shown,
    pendingTier: shown,
    /** These two follow from status and period. */
    isActive: shown,
    daysUntilRenewal: shown,
    createdAt: shownToAdmins,
    stripeCustomerId: internal,
    stripeSubscriptionId: internal,
    metadata: internal,
    revision: internal,
    unapplied: internal,
    graceEndedFor: internal,
    synced: internal,
    unconfirmed: internal,
    listedAt: internal,
    ending: internal,
    openActs: internal,
    updatedAt: internal,
    isDeleted: internal,
    deletedAt: internal,
  },
  ImageGeneration: {
    id: shownToWorkers,
    userId: internal,
    type: asked,
    prompt: asked,
    negativePrompt: asked,
    style: asked,
    aspectRatio: asked,
    quality: asked,
    model: asked,
    count: asked,
    sourceImageUrl: permission(['worker'], ['self']),
    status: shownToWorkers,
    credits: shownToWorkers,
    processingTime: made,
    outputImages: made,
    errorMessage: made,
    createdAt: shownToWorkers,
    startedAt: shownToWorkers,
    completedAt: shownToWorkers,
    failedAt: shownToWorkers,
    /** Proves that the lease is still the worker's. */
    leaseToken: permission(['worker'], ['worker']),
    metadata: internal,
    charge: internal,
    waitingSince: internal,
    slot: internal,
    availableAt: internal,
    lease: internal,
    attemptEnd: internal,
    attempts: internal,
    moves: internal,
    owes: internal,
    counted: internal,
    openActs: internal,
    announcements: internal,
    updatedAt: internal,
    isDeleted: internal,
    deletedAt: internal,
  },
  LedgerEntry: {
    id: shown,
    kind: shown,
    credits: shown,
    balance: shown,
    generationId: shown,
    at: shown,
    userId: internal,
    sequence: internal,
    period: internal,
    key: internal,
    fingerprint: internal,
    chargeId: internal,
    reason: internal,
  },
  AuditEntry: {
    id: shownToAdmins,
    action: shownToAdmins,
    actor: shownToAdmins,
    subject: shownToAdmins,
    at: shownToAdmins,
    detail: shownToAdmins,
  },
  JobState: {
    id: internal,
    startedFor: internal,
    doneFor: internal,
    attempts: internal,
    fence: internal,
    lease: internal,
    lastRun: internal,
    progress: internal,
    lastSuccessAt: internal,
  },
  RateLimit: {
    id: internal,
    key: internal,
    points: internal,
    lent: internal,
    expire: internal,
    taken: internal,
    spare: internal,
  },
  /** What analytics adds up; it leaves as `UserAnalytics` and `SystemAnalytics`. */
  UsageDay: {
    id: internal,
    userId: internal,
    day: internal,
    usage: internal,
    slots: internal,
    lastAt: internal,
    revision: internal,
    frozen: internal,
    due: internal,
  },
  WebhookEndpoint: {
    id: toSelf,
    url: permission(['self'], ['self']),
    events: permission(['self'], ['self']),
    enabled: permission(['self'], ['self']),
    disabledReason: toSelf,
    disabledAt: toSelf,
    createdAt: toSelf,
    updatedAt: toSelf,
    /** The newest of `secrets`: shown where it is made, and never again. */
    secret: toSelf,
    secrets: internal,
    userId: internal,
    slot: internal,
    failedDeliveries: internal,
    origin: internal,
    revision: internal,
    openActs: internal,
    isDeleted: internal,
    deletedAt: internal,
  },
  WebhookDelivery: {
    id: toSelf,
    eventId: toSelf,
    type: toSelf,
    status: toSelf,
    attempts: toSelf,
    nextAttemptAt: toSelf,
    lastAttemptAt: toSelf,
    lastStatus: toSelf,
    lastError: toSelf,
    createdAt: toSelf,
    endedAt: toSelf,
    userId: internal,
    endpointId: internal,
    eventAt: internal,
    data: internal,
    tries: internal,
    claim: internal,
    expiresAt: internal,
  },
  WebhookEvent: {
    id: shownToAdmins,
    source: shownToAdmins,
    type: shownToAdmins,
    occurredAt: shownToAdmins,
    receivedAt: shownToAdmins,
    attempts: shownToAdmins,
    dueAt: shownToAdmins,
    failure: shownToAdmins,
    outcome: shownToAdmins,
    endedAt: shownToAdmins,
    state: shownToAdmins,
    subject: internal,
    facts: internal,
    lease: internal,
    awaits: internal,
  },
  BillingAccount: { id: internal, stripeCustomerId: internal, checkout: internal, ending: internal },
  Backfill: {
    id: internal,
    run: internal,
    startedAt: internal,
    savedAt: internal,
    stage: internal,
    since: internal,
    offset: internal,
    behind: internal,
    found: internal,
  },
  UsageTotal: { id: internal, userId: internal, months: internal, lastAt: internal, revision: internal },
} as const satisfies Record<string, Record<string, Permission>>;

/** What stands inside a field of a model. */
const PARTS = {
  Preferences: { theme: own, language: own, defaultStyle: own, defaultAspectRatio: own, defaultQuality: own },
  Settings: { emailNotifications: own, quotaAlerts: own },
  /** The subject of an audit entry, and who acted. */
  AuditSubject: { model: shownToAdmins, id: shownToAdmins },
  Actor: { kind: shownToAdmins, id: shownToAdmins },
  /** What an act was in particular. The product writes it, and no caller; it leaves as it stands. */
  AuditDetail: {},
  OutputImage: { url: made, filename: made, size: made, width: made, height: made, contentType: made },
} as const satisfies Record<string, Record<string, Permission>>;

/** What follows from models, and orders that a rule decides on: they carry wishes, and write no field of a model. */
const VIEWS = {
  Quota: { tier: shown, limit: shown, used: shown, remaining: shown, resetsAt: shown },
  QuotaCheck: {
    allowed: toSelf,
    credits: toSelf,
    tier: toSelf,
    limit: toSelf,
    used: toSelf,
    remaining: toSelf,
    resetsAt: toSelf,
  },
  Consumption: { credits: permission(['self'], ['self']), reason: fromSelf, chargeId: toSelf, quota: toSelf },
  UserAnalytics: { user: toSelf, analytics: toSelf },
  SystemAnalytics: { overview: shownToAdmins, trends: shownToAdmins },
  Usage: {
    days: shown,
    timezone: shown,
    totalGenerations: shown,
    byStatus: shown,
    byType: shown,
    creditsUsed: shown,
    averageProcessingTime: shown,
    successRate: shown,
    dailyGenerations: shown,
    totalUsers: shownToAdmins,
    activeUsers: shownToAdmins,
    usersByTier: shownToAdmins,
    activeSubscriptions: shownToAdmins,
    dailyTrends: shownToAdmins,
  },
  UsageByStatus: { pending: shown, processing: shown, completed: shown, failed: shown, cancelled: shown },
  UsageByType: {
    'text-to-image': shown,
    'image-to-image': shown,
    inpainting: shown,
    outpainting: shown,
    upscale: shown,
    variation: shown,
  },
  UsageOfDay: {
    date: shown,
    total: shown,
    completed: shown,
    failed: shown,
    credits: shown,
    newUsers: shownToAdmins,
  },
  UsersByTier: { free: shownToAdmins, plus: shownToAdmins, pro: shownToAdmins },
  CleanupRun: {
    oldGenerationsRemoved: shownToAdmins,
    failedGenerationsRemoved: shownToAdmins,
    subscriptionsUpdated: shownToAdmins,
  },
  QuotaResetRun: { usersReset: shownToAdmins },
  Grant: { credits: fromAdmins, reason: fromAdmins },
  Checkout: { tier: fromSelf, url: toSelf },
  SubscriptionChange: { tier: fromSelf, cancelAtPeriodEnd: fromSelf },
  Claim: { workerId: fromWorkers, leaseSeconds: fromWorkers, types: fromWorkers },
  Failure: { leaseToken: fromWorkers, errorMessage: fromWorkers, retryable: fromWorkers },
} as const satisfies Record<string, Record<string, Permission>>;

export const PERMISSIONS = Object.freeze({ ...MODELS, ...PARTS, ...VIEWS });

export const MODEL_NAMES = Object.keys(MODELS);

export type Resource = keyof typeof PERMISSIONS;

type FieldsBy<R extends Resource, Deed extends keyof Permission, By extends Audience> = {
  [Field in keyof (typeof PERMISSIONS)[R]]: (typeof PERMISSIONS)[R][Field] extends Permission
    ? By extends (typeof PERMISSIONS)[R][Field][Deed][number]
      ? Field
      : never
    : never;
}[keyof (typeof PERMISSIONS)[R]];

export type Readable<R extends Resource, By extends Audience> = FieldsBy<R, 'read', By>;
export type Writable<R extends Resource, By extends Audience> = FieldsBy<R, 'write', By>;

/** The fields of a resource that somebody may read, or write. */
export function fieldsFor(resource: Resource, deed: keyof Permission, by: Audience): string[] {
  const table: Readonly<Record<string, Permission>> = PERMISSIONS[resource];
  return Object.keys(table).filter((field) => table[field]?.[deed].includes(by));
}
