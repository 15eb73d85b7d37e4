import { errorFields, type Log } from '../config/log.ts';
import { type ClerkAccess, clerkClient, profileOf, within } from './clerk.ts';

/** What Clerk says of a person; null when it cannot be asked. */
export type ProfileSource = (clerkUserId: string) => Promise<{ email?: string; name?: string } | null>;

const DEADLINE_MS = 3_000;

/** No Clerk to ask: a development instance without keys. */
export const noProfiles: ProfileSource = async () => null;

/**
 * Asks Clerk's Backend API (https://clerk.com/docs/reference/backend/user/get-user). A failure is logged and answered with null:
 * a person who may sign in is not turned away since Clerk is slow, and the webhook brings the profile later.
 *
 * @param deadlineMs how long a first request waits for it
 */
export function clerkProfiles(access: ClerkAccess, log: Log, deadlineMs = DEADLINE_MS): ProfileSource {
  const clerk = clerkClient(access);
  return async (clerkUserId) => {
    try {
      const { email, name } = profileOf(await within(deadlineMs, clerk.users.getUser(clerkUserId)));
      return { ...(email && { email }), ...(name && { name }) };
    } catch (error) {
      log.warn('Clerk did not tell the profile of a new user', errorFields(error));
      return null;
    }
  };
}
