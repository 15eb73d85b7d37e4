/** What Clerk tells of a user. */
export const IDENTITY_EVENTS = ['user.created', 'user.updated', 'user.deleted'] as const;
export type IdentityEvent = (typeof IDENTITY_EVENTS)[number];

/**
 * Orders what is told of one user. Clerk's instants are milliseconds; of events in the same one, a change comes behind the creation, and the
 * deletion behind both.
 *
 * @param at by Clerk's clock
 */
export function identityVersion(type: IdentityEvent, at: Date): number {
  return at.getTime() * IDENTITY_EVENTS.length + IDENTITY_EVENTS.indexOf(type);
}

/** Whether this version was Clerk's word of a deletion. */
export const isDeletion = (version: number): boolean =>
  version > 0 && version % IDENTITY_EVENTS.length === IDENTITY_EVENTS.indexOf('user.deleted');
