import type { Collection } from 'mongoose';
import type { ImageGeneration } from './ImageGeneration.ts';
import type { LedgerEntry } from './LedgerEntry.ts';
import type { Store } from './store.ts';
import type { User } from './User.ts';

/**
 * The driver's collections, for statements that must see deleted documents or run on every request: what reaches them is
 * already typed or parsed, and Mongoose's casting would cost more than it proves. They leave nothing out by themselves.
 */
export const usersOf = ({ models: { User } }: Store): Collection<User> =>
  User.db.collection<User>(User.collection.collectionName);

export const generationsOf = ({ models: { ImageGeneration } }: Store): Collection<ImageGeneration> =>
  ImageGeneration.db.collection<ImageGeneration>(ImageGeneration.collection.collectionName);

export const ledgerOf = ({ models: { LedgerEntry } }: Store): Collection<LedgerEntry> =>
  LedgerEntry.db.collection<LedgerEntry>(LedgerEntry.collection.collectionName);
