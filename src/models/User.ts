import { type Connection, type Model, Schema, type Types } from 'mongoose';
import type { Act } from '../domain/audit.ts';
import {
  ASPECT_RATIOS,
  type AspectRatio,
  GENERATION_LIMITS,
  IMAGE_QUALITIES,
  type ImageQuality,
} from '../domain/generation.ts';
import type { Found, PostingKind } from '../domain/ledger.ts';
import { periodAt } from '../domain/periods.ts';
import { LIVE_STATUSES } from '../domain/subscription.ts';
import { SUBSCRIPTION_TIERS, type SubscriptionTier } from '../domain/tiers.ts';
import type { ImageGeneration } from './ImageGeneration.ts';
import { searchedHashes } from './identityHashes.ts';
import type { EntryFields } from './LedgerEntry.ts';
import { type UserMethods, type UserStatics, userMethods, userStatics } from './methods/user.ts';
import { type SoftDeletable, softDelete } from './plugins/softDelete.ts';
import { DEFAULT_PREFERENCES } from './preferences.ts';
import type { TermsVersion } from './statements/posting/posting.ts';
import type { Store } from './store.ts';
import { textUpTo } from './text.ts';

/** Characters of a display name. */
export const MAX_NAME_LENGTH = 200;

export const THEMES = ['system', 'light', 'dark'] as const;

/** What the user likes to see and to generate. */
export interface UserPreferences {
  theme: (typeof THEMES)[number];
  /** BCP 47. */
  language: string;
  defaultStyle: string;
  defaultAspectRatio: AspectRatio;
  defaultQuality: ImageQuality;
}

export interface UserSettings {
  emailNotifications: boolean;
  quotaAlerts: boolean;
}

/**
 * Something that moved the account and still has to be written elsewhere. It is put here by the same write that moved the
 * account, so neither can be without the other; settlement copies it to the ledger and takes it away.
 */
export interface OpenEntry extends Omit<EntryFields, 'balance'> {
  id: Types.ObjectId;
  kind: PostingKind;
  /** Position in the user's ledger; a delivery has none. */
  sequence?: number;
  balance?: number;
  /** In place of both, where they follow from it: a charge is made often, and copying costs the database less than computing. */
  found?: Found;
  /** The generation that this charge paid for, whole, so that a crash after the charge cannot lose it. */
  generation?: ImageGeneration;
  /** What the audit trail will say of it. */
  act?: Act;
  /** When ledger and generation were seen to hold this entry. */
  settledAt?: Date;
}

export interface User extends SoftDeletable {
  _id: Types.ObjectId;
  clerkUserId: string;
  email: string;
  name: string;
  subscriptionTier: SubscriptionTier;
  /** Credits taken in this period. */
  monthlyUsage: number;
  /** Images delivered since sign-up. */
  totalImagesGenerated: number;
  quotaResetDate: Date;
  preferences: UserPreferences;
  settings: UserSettings;
  /** The instant from which months count while nothing is paid for: sign-up. */
  quotaAnchor: Date;
  /** The end of the period that is paid for, from which months count until there is news of the next one; null without any. */
  paidAnchor?: Date | null;
  /** Version of the subscriptions' terms that this account has. */
  followed?: TermsVersion;
  periodStart: Date;
  /** Counts resets, from 1. */
  periodNumber: number;
  /** Credits granted on top of the tier's quota, until the next reset. */
  grantedCredits: number;
  /** The highest alert level that was told of in this period, or 0. */
  quotaAlert: number;
  /** Sequence of the newest ledger entry. */
  entrySequence: number;
  openEntries: Record<string, OpenEntry>;
  /** When a sweep has to look at `openEntries` next; absent when there is nothing to do. */
  sweepAt?: Date;
  /** Orders what Clerk has said of the user: grows with each event that was applied. */
  identityVersion: number;
  /** Hashes of Clerk's id. They stay when the id is erased, so that nobody begins anew who was here before. */
  identityHashes?: string[];
  /** When everything that tells who the user is was erased; null or absent: it was not, or they have come back. */
  erasedAt?: Date | null;
  /** The newest `settledAt` of the keys that have left `openEntries`. */
  forgottenThrough: Date;
  createdAt: Date;
  updatedAt: Date;
}

export type UserModelType = Model<User, object, UserMethods> & UserStatics;

export function userSchema(store: Store): Schema<User, UserModelType, UserMethods> {
  const { clock } = store;
  const schema = new Schema<User, UserModelType, UserMethods>(
    {
      // Before what follows from it: Mongoose's own would be a moment later than the anchor.
      createdAt: { type: Date, default: () => clock.now(), immutable: true },
      clerkUserId: { type: String, required: true, maxlength: 255, immutable: true },
      // A session token may know neither address nor name; they follow from Clerk.
      email: { type: String, default: '', maxlength: 320, trim: true, lowercase: true },
      name: { ...textUpTo(MAX_NAME_LENGTH), default: '', trim: true },
      subscriptionTier: { type: String, enum: SUBSCRIPTION_TIERS, default: 'free', required: true },
      monthlyUsage: { type: Number, default: 0, min: 0, required: true, validate: Number.isInteger },
      totalImagesGenerated: { type: Number, default: 0, min: 0, required: true, validate: Number.isInteger },
      preferences: {
        theme: { type: String, enum: THEMES, default: DEFAULT_PREFERENCES.theme },
        language: { type: String, default: DEFAULT_PREFERENCES.language, maxlength: 35 },
        defaultStyle: { ...textUpTo(GENERATION_LIMITS.maxNameLength), default: DEFAULT_PREFERENCES.defaultStyle },
        defaultAspectRatio: { type: String, enum: ASPECT_RATIOS, default: DEFAULT_PREFERENCES.defaultAspectRatio },
        defaultQuality: { type: String, enum: IMAGE_QUALITIES, default: DEFAULT_PREFERENCES.defaultQuality },
      },
      settings: {
        emailNotifications: { type: Boolean, default: true },
        quotaAlerts: { type: Boolean, default: true },
      },
      quotaAnchor: {
        type: Date,
        required: true,
        default(this: User) {
          return this.createdAt;
        },
      },
      periodStart: {
        type: Date,
        required: true,
        default(this: User) {
          return periodAt(this.quotaAnchor, clock.now()).start;
        },
      },
      quotaResetDate: {
        type: Date,
        required: true,
        default(this: User) {
          return periodAt(this.quotaAnchor, clock.now()).end;
        },
      },
      paidAnchor: { type: Date },
      followed: { type: new Schema<TermsVersion>({ sum: Number, seen: String }, { _id: false }) },
      periodNumber: { type: Number, default: 1, required: true },
      grantedCredits: { type: Number, default: 0, min: 0, required: true },
      quotaAlert: { type: Number, default: 0, required: true },
      entrySequence: { type: Number, default: 0, required: true },
      openEntries: { type: Schema.Types.Mixed, default: () => ({}), required: true },
      sweepAt: { type: Date },
      identityVersion: { type: Number, default: 0, required: true },
      // None at all instead of an empty list, of which a unique index takes only one.
      identityHashes: { type: [String], default: undefined },
      erasedAt: { type: Date },
      forgottenThrough: { type: Date, default: () => new Date(0), required: true },
    },
    { collection: 'users', minimize: false, timestamps: { currentTime: () => clock.now() } },
  );
  schema.pre('save', async function keepHashes() {
    if (this.isNew) this.identityHashes ??= await searchedHashes(store, this.clerkUserId);
  });
  schema.plugin(softDelete);
  schema.method(userMethods(store));
  schema.static({ ...userStatics(store) });
  schema.virtual('subscription', {
    ref: 'Subscription',
    localField: '_id',
    foreignField: 'userId',
    justOne: true,
    match: { status: { $in: [...LIVE_STATUSES] } },
  });
  // A deleted user's Clerk id stays taken: signing up again restores the account and never starts a fresh one.
  schema.index({ clerkUserId: 1 }, { unique: true });
  // So does an erased one's, of whom this is all that is known.
  schema.index({ identityHashes: 1 }, { unique: true, sparse: true });
  // The lists of an administrator, newest first: everybody, of one address, of one tier.
  schema.index({ createdAt: -1, _id: -1 });
  schema.index({ email: 1, createdAt: -1, _id: -1 });
  schema.index({ subscriptionTier: 1, createdAt: -1, _id: -1 });
  schema.index({ isDeleted: 1, quotaResetDate: 1 });
  // Holds all that analytics asks of users, so that counting them reads no document.
  schema.index({ isDeleted: 1, createdAt: 1, subscriptionTier: 1 });
  schema.index({ sweepAt: 1 }, { sparse: true });
  return schema;
}

export function registerUser(connection: Connection, store: Store): UserModelType {
  return connection.model<User, UserModelType>('User', userSchema(store));
}
