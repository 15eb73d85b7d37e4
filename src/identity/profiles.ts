import { createClerkClient } from '@clerk/backend';
import { errorFields, type Log } from '../config/log.ts';

/** What Clerk says of a person; null when it cannot be asked. */
export type ProfileSource = (clerkUserId: string) => Promise<{ email?: string; name?: string } | null>;

const DEADLINE_MS = 3_000;

/** No Clerk to ask: a development instance without keys. */
export const noProfiles: ProfileSource = async () => null;

/**
 * Asks Clerk's Backend API (https://clerk.com/docs/reference/backend/user/get-user). A failure is logged and answered with null:
 * a person who may sign in is not turned away since Clerk is slow, and the webhook brings the profile later.
 */
export function clerkProfiles(secretKey: string, log: Log): ProfileSource {
  const clerk = createClerkClient({ secretKey, telemetry: { disabled: true } });
  return async (clerkUserId) => {
    try {
      const user = await withDeadline(clerk.users.getUser(clerkUserId));
      const email = user.primaryEmailAddress?.emailAddress;
      const name = user.fullName;
      return { ...(email && { email }), ...(name && { name }) };
    } catch (error) {
      log.warn('Clerk did not tell the profile of a new user', errorFields(error));
      return null;
    }
  };
}

function withDeadline<Result>(promise: Promise<Result>): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('Clerk took too long')), DEADLINE_MS);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
