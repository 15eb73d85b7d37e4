import { keyringOf } from '../encryption/connections.ts';
import type { Store } from './store.ts';

const PLACE = { model: 'User', field: 'clerkUserId' };

/**
 * The hashes of a Clerk id that stay when the id itself is erased: under the keys of the ring alone, so that they tell nobody without a key
 * whose they are.
 */
export function keptHashes({ models: { User } }: Store, clerkUserId: string): Promise<string[]> {
  return keyringOf(User.db).hashes(PLACE, clerkUserId);
}

/** The hashes by which somebody is found, also by one that was kept before there were keys. */
export function searchedHashes({ models: { User } }: Store, clerkUserId: string): Promise<string[]> {
  return keyringOf(User.db).searchHashes(PLACE, clerkUserId);
}
