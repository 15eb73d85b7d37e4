import type { User } from '@clerk/backend';
import { isClerkAPIResponseError } from '@clerk/backend/errors';
import { type ClerkAccess, clerkClient, profileOf } from './clerk.ts';
import { type Patience, patientCalls } from './patience.ts';

/** Somebody as Clerk's Backend API shows them, by Clerk's clock. */
export interface ListedUser {
  clerkUserId: string;
  email: string;
  name: string;
  signedUpAt: Date;
  changedAt: Date;
}

/** Where to read on: behind so many of those who signed up then or later. */
export interface ListPlace {
  /** Undefined: from the first one. */
  since?: Date | undefined;
  offset: number;
}

export interface Page {
  users: ListedUser[];
  /** How many there were behind the place, these included. */
  remaining: number;
  isLast: boolean;
}

/** All users of a Clerk instance. */
export interface ClerkDirectory {
  /** Whoever signed up at that instant or later, oldest first. */
  page(place: ListPlace): Promise<Page>;
  /** Which of these, {@link MAX_IDS} at most, Clerk has. */
  presentOf(clerkUserIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** Null: Clerk says that there is nobody. */
  lookUp(clerkUserId: string): Promise<ListedUser | null>;
  /** Whether this instance signs with that key, an SPKI in PEM. */
  signsWith(publicKeyPem: string): Promise<boolean>;
}

/** Clerk lists no more at once: who asks for 501 gets 10 (https://clerk.com/docs/reference/backend/user/get-user-list). */
export const PAGE = 500;
/** Clerk takes no more ids in one question. */
export const MAX_IDS = 100;

/**
 * Half of what Clerk takes from one secret key, so that the first requests of users have the other half: 1000 calls in ten seconds in
 * production, 100 in development (https://clerk.com/docs/guides/how-clerk-works/system-limits).
 */
export const callsPerSecondOf = (secretKey: string): number => (secretKey.startsWith('sk_live_') ? 50 : 5);

/**
 * Reads a Clerk instance through its SDK, page by page, from instant to instant of sign-up: whoever is deleted meanwhile moves nobody, and
 * who signs up comes at the end. (By offset alone, each deletion would hide somebody on the next page.)
 *
 * @param patience the methods throw what calls made with it throw
 */
export function clerkDirectory(
  access: ClerkAccess,
  {
    callsPerSecond = callsPerSecondOf(access.secretKey),
    ...patience
  }: Omit<Patience, 'callsPerSecond'> & Partial<Pick<Patience, 'callsPerSecond'>>,
): ClerkDirectory {
  const { users, jwks } = clerkClient(access);
  const patiently = patientCalls({ ...patience, callsPerSecond });
  // The SDK asks for the number of users beside each list: two calls.
  const listing = patientCalls({ ...patience, callsPerSecond: callsPerSecond / 2 });

  return {
    async page({ since, offset }) {
      const { data, totalCount } = await listing(() =>
        users.getUserList({
          // Whether "after" means that instant too is not said: the millisecond before it holds in both cases.
          ...(since && { createdAtAfter: since.getTime() - 1 }),
          orderBy: '+created_at',
          limit: PAGE,
          offset,
        }),
      );
      return { users: data.map(listed), remaining: totalCount - offset, isLast: data.length < PAGE };
    },
    async presentOf(clerkUserIds) {
      const { data } = await listing(() => users.getUserList({ userId: [...clerkUserIds], limit: MAX_IDS }));
      return new Set(data.map(({ id }) => id));
    },
    async lookUp(clerkUserId) {
      try {
        return listed(await patiently(() => users.getUser(clerkUserId)));
      } catch (error) {
        if (isClerkAPIResponseError(error) && error.status === 404) return null;
        throw error;
      }
    },
    async signsWith(publicKeyPem) {
      const { keys = [] } = await patiently(() => jwks.getJwks());
      const modulus = await modulusOf(publicKeyPem);
      return keys.some(({ n }) => n === modulus);
    },
  };
}

function listed(user: User): ListedUser {
  const { id: clerkUserId, createdAt, updatedAt } = user;
  return { clerkUserId, ...profileOf(user), signedUpAt: new Date(createdAt), changedAt: new Date(updatedAt) };
}

async function modulusOf(publicKeyPem: string): Promise<string | undefined> {
  const der = Uint8Array.from(atob(publicKeyPem.replace(/-----[A-Z ]+-----|\s/g, '')), (byte) => byte.charCodeAt(0));
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('spki', der, algorithm, true, ['verify']);
  return (await crypto.subtle.exportKey('jwk', key)).n;
}
