import type { Quota } from './quota.ts';

/** The stable words by which callers tell errors apart, with the HTTP status that each one means. */
export const ERROR_STATUS = Object.freeze({
  validation_failed: 400,
  malformed_json: 400,
  invalid_signature: 400,
  unauthenticated: 401,
  insufficient_quota: 402,
  forbidden: 403,
  account_deleted: 403,
  not_found: 404,
  method_not_allowed: 405,
  invalid_transition: 409,
  conflict: 409,
  lease_lost: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  idempotency_key_reused: 422,
  rate_limited: 429,
  internal: 500,
  unavailable: 503,
} as const);

export type ErrorCode = keyof typeof ERROR_STATUS;

/** One field that a caller has to mend; `path` is dotted, and empty for the whole input. */
export interface FieldError {
  path: string;
  message: string;
}

/**
 * Every refusal of Artifex. `message` is for people and says what to do next; `code` is for programs and never changes.
 *
 * @example
 * throw new ArtifexError('not_found', 'User not found');
 */
export class ArtifexError extends Error {
  override readonly name: string = 'ArtifexError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** What an error answer says beside `code` and `detail`. */
  get extensions(): Record<string, unknown> {
    return {};
  }
}

export class ValidationFailedError extends ArtifexError {
  override readonly name = 'ValidationFailedError';
  readonly errors: readonly FieldError[];

  constructor(errors: readonly FieldError[]) {
    super('validation_failed', 'The request has fields to mend; `errors` names each one.');
    this.errors = errors;
  }

  override get extensions() {
    return { errors: this.errors };
  }
}

export class UserNotFoundError extends ArtifexError {
  override readonly name = 'UserNotFoundError';

  constructor() {
    super('not_found', 'User not found');
  }
}

export class InsufficientQuotaError extends ArtifexError {
  override readonly name = 'InsufficientQuotaError';
  readonly quota: Quota;

  constructor(quota: Quota) {
    super('insufficient_quota', 'Insufficient quota remaining');
    this.quota = quota;
  }

  override get extensions() {
    return { quota: this.quota };
  }
}
