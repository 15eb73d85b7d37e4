import { type ClerkClient, createClerkClient, type User } from '@clerk/backend';

/** How Clerk's Backend API is reached. */
export interface ClerkAccess {
  secretKey: string;
  /** Undefined: at Clerk's own address. */
  apiUrl: string | undefined;
}

/** Clerk's SDK for its Backend API (https://clerk.com/docs/reference/backend-api). It sends no usage data. */
export function clerkClient({ secretKey, apiUrl }: ClerkAccess): ClerkClient {
  return createClerkClient({ secretKey, telemetry: { disabled: true }, ...(apiUrl !== undefined && { apiUrl }) });
}

/** Address and name of somebody, as the events tell them too; empty where Clerk has none. */
export function profileOf({ primaryEmailAddress, fullName }: User): { email: string; name: string } {
  return { email: primaryEmailAddress?.emailAddress ?? '', name: fullName ?? '' };
}

/** @throws when the answer is not there in time; Clerk's SDK has no deadline of its own */
export function within<Result>(milliseconds: number, answer: Promise<Result>): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('Clerk took too long')), milliseconds);
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
