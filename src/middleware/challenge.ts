import { Refusal } from './refusal.ts';

/** RFC 6750 section 3.1: a request without any token, or in another scheme, is told no error code. */
export function challenge(error?: 'invalid_token'): Record<string, string> {
  return { 'WWW-Authenticate': `Bearer realm="artifex"${error ? `, error="${error}"` : ''}` };
}

export function invalidToken(detail: string): Refusal {
  return new Refusal('unauthenticated', detail, challenge('invalid_token'));
}
