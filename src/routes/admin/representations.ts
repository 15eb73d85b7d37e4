import { z } from 'zod';
import { ACTOR_KINDS, AUDIT_ACTIONS } from '../../domain/audit.ts';
import { quotaOf } from '../../domain/quota.ts';
import { SUBSCRIPTION_STATUSES } from '../../domain/subscription.ts';
import { SUBSCRIPTION_TIERS } from '../../domain/tiers.ts';
import type { AuditEntry } from '../../models/AuditEntry.ts';
import type { SubscriptionDocument } from '../../models/methods/subscription.ts';
import type { User } from '../../models/User.ts';
import { readable, represent } from '../permitted.ts';
import { preferencesSchema, quotaSchema, settingsSchema, userSchema } from '../representations.ts';
import { instantSchema } from '../schemas.ts';
import { subscriptionSchema } from '../subscription.ts';

/** How documents look to administrators: what their owners see, and besides whether they are deleted. */

const by = 'admin';

const quota = readable({ resource: 'Quota', by, id: 'AdminQuota' }, quotaSchema.shape);
const preferences = readable({ resource: 'Preferences', by, id: 'AdminPreferences' }, preferencesSchema.shape);
const settings = readable({ resource: 'Settings', by, id: 'AdminSettings' }, settingsSchema.shape);

const shape = {
  ...userSchema.shape,
  quota,
  preferences,
  settings,
  isDeleted: z.boolean(),
  deletedAt: instantSchema.nullable(),
};

export const adminUserSchema = readable({ resource: 'User', by, id: 'AdminUser' }, shape);

const adminSubscriptionSchema = readable(
  { resource: 'Subscription', by, id: 'AdminSubscription' },
  {
    id: z.string(),
    ...subscriptionSchema.shape,
    tier: z.enum(SUBSCRIPTION_TIERS).describe('What was bought; the user has it while `isActive`.'),
    status: z.enum(SUBSCRIPTION_STATUSES),
    currentPeriodStart: instantSchema,
    currentPeriodEnd: instantSchema,
    trialStart: instantSchema.nullable(),
    trialEnd: instantSchema.nullable(),
    createdAt: instantSchema,
  },
);

export const adminUserWithSubscriptionSchema = readable(
  { resource: 'User', by, id: 'AdminUserWithSubscription' },
  {
    ...shape,
    subscription: adminSubscriptionSchema.nullable().describe('Not ended, else the latest; null without any.'),
  },
);

export function adminUserOut(user: User, now: Date): z.input<typeof adminUserSchema> {
  const { resetsAt, ...rest } = quotaOf(user, now);
  return represent(adminUserSchema, {
    id: user._id.toHexString(),
    clerkUserId: user.clerkUserId,
    email: user.email,
    name: user.name,
    subscriptionTier: user.subscriptionTier,
    quota: represent(quota, { ...rest, resetsAt: resetsAt.toISOString() }),
    totalImagesGenerated: user.totalImagesGenerated,
    preferences: represent(preferences, user.preferences),
    settings: represent(settings, user.settings),
    createdAt: user.createdAt.toISOString(),
    isDeleted: user.isDeleted,
    deletedAt: user.deletedAt?.toISOString() ?? null,
  });
}

export function adminUserWithSubscriptionOut(
  user: User,
  subscription: SubscriptionDocument | null,
  now: Date,
): z.input<typeof adminUserWithSubscriptionSchema> {
  return represent(adminUserWithSubscriptionSchema, {
    ...adminUserOut(user, now),
    subscription: subscription && adminSubscriptionOut(subscription),
  });
}

function adminSubscriptionOut(subscription: SubscriptionDocument): z.input<typeof adminSubscriptionSchema> {
  return represent(adminSubscriptionSchema, {
    id: subscription._id.toHexString(),
    tier: subscription.tier,
    status: subscription.status,
    isActive: subscription.isActive(),
    currentPeriodStart: subscription.currentPeriodStart.toISOString(),
    currentPeriodEnd: subscription.currentPeriodEnd.toISOString(),
    cancelAtPeriodEnd: subscription.cancelAtPeriodEnd,
    daysUntilRenewal: subscription.getDaysUntilRenewal(),
    pendingTier: subscription.pendingTier ?? null,
    trialStart: subscription.trialStart?.toISOString() ?? null,
    trialEnd: subscription.trialEnd?.toISOString() ?? null,
    createdAt: subscription.createdAt.toISOString(),
  });
}

const actorSchema = readable(
  { resource: 'Actor', by, id: 'Actor' },
  { kind: z.enum(ACTOR_KINDS), id: z.string().optional().describe("Clerk's id of a person, the name of a job.") },
);
const subjectSchema = readable(
  { resource: 'AuditSubject', by, id: 'AuditSubject' },
  { model: z.string(), id: z.string() },
);

export const auditEntrySchema = readable(
  { resource: 'AuditEntry', by, id: 'AuditEntry' },
  {
    id: z.string(),
    action: z.enum(AUDIT_ACTIONS),
    actor: actorSchema,
    subject: subjectSchema.optional().describe('The document that was acted on; maintenance acts on none.'),
    at: instantSchema,
    detail: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({ description: 'What it was in particular.', 'x-resource': 'AuditDetail', 'x-read-by': by }),
  },
);

export function auditEntryOut({
  _id,
  action,
  actor,
  subject,
  at,
  detail,
}: AuditEntry): z.input<typeof auditEntrySchema> {
  return represent(auditEntrySchema, {
    id: _id.toHexString(),
    action,
    actor: represent(actorSchema, actor),
    ...(subject && { subject: represent(subjectSchema, { model: subject.model, id: subject.id.toHexString() }) }),
    at: at.toISOString(),
    ...(detail && { detail }),
  });
}
