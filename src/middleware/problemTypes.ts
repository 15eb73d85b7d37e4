import type { ErrorCode } from '../domain/errors.ts';

/**
 * The problem types of RFC 9457 (section 3.1): a short title that never changes with the occurrence, and what a caller
 * does about it. The reference page shows this table; `type` of every problem points into it.
 */
export const PROBLEM_TYPES: Readonly<Record<ErrorCode, { title: string; meaning: string }>> = Object.freeze({
  validation_failed: {
    title: 'The request is not valid',
    meaning: 'Mend the fields that `errors` names, then send the request again.',
  },
  malformed_json: {
    title: 'The body is not JSON',
    meaning: 'Send a JSON text (RFC 8259) in UTF-8.',
  },
  invalid_signature: {
    title: 'The signature is not valid',
    meaning: 'The event is not signed with the shared secret, or it is too old. Nothing was changed.',
  },
  unauthenticated: {
    title: 'Authentication is needed',
    meaning: 'Send `Authorization: Bearer` with a token that is valid now.',
  },
  insufficient_quota: {
    title: 'The quota is used up',
    meaning: '`quota` says what remains and when it resets. Nothing was charged.',
  },
  forbidden: {
    title: 'Not allowed',
    meaning: 'The token is valid, but this is for others.',
  },
  account_deleted: {
    title: 'The account is deleted',
    meaning: 'Sign up again to restore it.',
  },
  not_found: {
    title: 'Not found',
    meaning: "There is no such path or resource, or it is somebody else's.",
  },
  method_not_allowed: {
    title: 'Method not allowed',
    meaning: '`Allow` names the methods of this path.',
  },
  invalid_transition: {
    title: 'Not possible in this state',
    meaning: 'Read the resource again: its state does not allow what was asked. Nothing was changed.',
  },
  conflict: {
    title: 'Conflict',
    meaning: 'The request contradicts the present state. Read it again, then decide.',
  },
  lease_lost: {
    title: 'The lease is lost',
    meaning: 'Somebody else may have the work now. Drop it and claim again.',
  },
  payload_too_large: {
    title: 'The body is too large',
    meaning: 'A body may have 1 MiB.',
  },
  unsupported_media_type: {
    title: 'The content type is not supported',
    meaning: 'Send `Content-Type: application/json`, in UTF-8 and without a content coding.',
  },
  idempotency_key_reused: {
    title: 'The idempotency key was used for another request',
    meaning: 'Use a new key for a new request; repeat a key only with the same body.',
  },
  rate_limited: {
    title: 'Too many requests',
    meaning: 'Wait for `Retry-After` seconds.',
  },
  internal: {
    title: 'Internal error',
    meaning: 'The fault is ours. Report it with the `X-Request-Id` of the answer.',
  },
  unavailable: {
    title: 'Out of reach for the moment',
    meaning:
      'A service behind this one cannot be reached. Repeat after `Retry-After` seconds: what charges, with its `Idempotency-Key`.',
  },
});

/** The relative reference that `type` carries; it opens the reference page at the code. */
export function problemType(code: ErrorCode): string {
  return `/docs#${code}`;
}
