import mongoose, { type Connection } from 'mongoose';
import { type Clock, systemClock } from '../domain/clock.ts';
import { type AuditEntryModelType, registerAuditEntry } from './AuditEntry.ts';
import { type BackfillModelType, registerBackfill } from './Backfill.ts';
import { type BillingAccountModelType, registerBillingAccount } from './BillingAccount.ts';
import { type ImageGenerationModelType, registerImageGeneration } from './ImageGeneration.ts';
import { type JobStateModelType, registerJobState } from './JobState.ts';
import { type LedgerEntryModelType, registerLedgerEntry } from './LedgerEntry.ts';
import { type RateLimitModelType, registerRateLimit } from './RateLimit.ts';
import { registerSubscription, type SubscriptionModelType } from './Subscription.ts';
import type { Store } from './store.ts';
import { registerUsageDay, type UsageDayModelType } from './UsageDay.ts';
import { registerUsageTotal, type UsageTotalModelType } from './UsageTotal.ts';
import { registerUser, type UserModelType } from './User.ts';
import { registerWebhookDelivery, type WebhookDeliveryModelType } from './WebhookDelivery.ts';
import { registerWebhookEndpoint, type WebhookEndpointModelType } from './WebhookEndpoint.ts';
import { registerWebhookEvent, type WebhookEventModelType } from './WebhookEvent.ts';

export interface Models {
  User: UserModelType;
  Subscription: SubscriptionModelType;
  ImageGeneration: ImageGenerationModelType;
  LedgerEntry: LedgerEntryModelType;
  AuditEntry: AuditEntryModelType;
  JobState: JobStateModelType;
  RateLimit: RateLimitModelType;
  UsageDay: UsageDayModelType;
  UsageTotal: UsageTotalModelType;
  WebhookEndpoint: WebhookEndpointModelType;
  WebhookDelivery: WebhookDeliveryModelType;
  WebhookEvent: WebhookEventModelType;
  BillingAccount: BillingAccountModelType;
  Backfill: BackfillModelType;
}

/** Registers every model on `connection`. Their defaults and time stamps follow `clock`. */
export function createModels(connection: Connection, clock: Clock): Models {
  const store: Store = {
    clock,
    get models() {
      return models;
    },
  };
  const models: Models = {
    User: registerUser(connection, store),
    Subscription: registerSubscription(connection, store),
    ImageGeneration: registerImageGeneration(connection, store),
    LedgerEntry: registerLedgerEntry(connection),
    AuditEntry: registerAuditEntry(connection),
    JobState: registerJobState(connection),
    RateLimit: registerRateLimit(connection),
    UsageDay: registerUsageDay(connection),
    UsageTotal: registerUsageTotal(connection),
    WebhookEndpoint: registerWebhookEndpoint(connection, store),
    WebhookDelivery: registerWebhookDelivery(connection),
    WebhookEvent: registerWebhookEvent(connection),
    BillingAccount: registerBillingAccount(connection),
    Backfill: registerBackfill(connection),
  };
  return models;
}

/** The models on Mongoose's default connection, which `connectDB` opens. */
export const defaultModels: Models = createModels(mongoose.connection, systemClock());

export const {
  User: UserModel,
  Subscription: SubscriptionModel,
  ImageGeneration: ImageGenerationModel,
  LedgerEntry: LedgerEntryModel,
  AuditEntry: AuditEntryModel,
  WebhookEvent: WebhookEventModel,
} = defaultModels;

export type { AuditEntry } from './AuditEntry.ts';
export type { ImageGeneration, OutputImage } from './ImageGeneration.ts';
export type { LedgerEntry } from './LedgerEntry.ts';
export type { Subscription } from './Subscription.ts';
export type { User } from './User.ts';
