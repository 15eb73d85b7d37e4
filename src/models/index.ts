import mongoose, { type Connection } from 'mongoose';
import { type Clock, systemClock } from '../domain/clock.ts';
import { type ImageGenerationModelType, registerImageGeneration } from './ImageGeneration.ts';
import { type LedgerEntryModelType, registerLedgerEntry } from './LedgerEntry.ts';
import { registerSubscription, type SubscriptionModelType } from './Subscription.ts';
import { registerUser, type UserModelType } from './User.ts';

export interface Models {
  User: UserModelType;
  Subscription: SubscriptionModelType;
  ImageGeneration: ImageGenerationModelType;
  LedgerEntry: LedgerEntryModelType;
}

/** Registers every model on `connection`. Their defaults and time stamps follow `clock`. */
export function createModels(connection: Connection, clock: Clock): Models {
  return {
    User: registerUser(connection, clock),
    Subscription: registerSubscription(connection, clock),
    ImageGeneration: registerImageGeneration(connection, clock),
    LedgerEntry: registerLedgerEntry(connection),
  };
}

/** The models on Mongoose's default connection, which `connectDB` opens. */
export const defaultModels: Models = createModels(mongoose.connection, systemClock());

export const {
  User: UserModel,
  Subscription: SubscriptionModel,
  ImageGeneration: ImageGenerationModel,
  LedgerEntry: LedgerEntryModel,
} = defaultModels;

export type { ImageGeneration, OutputImage } from './ImageGeneration.ts';
export type { LedgerEntry } from './LedgerEntry.ts';
export type { Subscription } from './Subscription.ts';
export type { User } from './User.ts';
