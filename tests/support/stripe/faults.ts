import type { Answer } from './idempotency.ts';

/**
 * What may go wrong with one call:
 * - `rate_limited`, `error`: refused with 429 or 500 before anything is done.
 * - `error_after`: done, and yet answered 500.
 * - `error_kept`: refused with 500, which is remembered under the call's idempotency key, as an outcome like others.
 * - `cut`: the connection ends before anything is done.
 * - `cut_after`: done, and the answer lost.
 */
export const FAULTS = ['rate_limited', 'error', 'error_after', 'error_kept', 'cut', 'cut_after'] as const;
export type Fault = (typeof FAULTS)[number];

/** @returns the fault that meets the call, or null */
export type FaultPlan = (call: { pattern: string; attempt: number }) => Fault | null;

export const noFaults: FaultPlan = () => null;

/** The next `times` calls to a route, named as `POST /v1/customers` or by a part of it, meet the fault. */
export function failing(part: string, fault: Fault, times = 1): FaultPlan {
  let left = times;
  return ({ pattern }) => {
    if (left === 0 || !pattern.includes(part)) return null;
    left -= 1;
    return fault;
  };
}

/** An answer, and whether it repeats an earlier one. */
export interface Done {
  answer: Answer;
  isReplay: boolean;
}

/**
 * What a call comes to that meets a fault.
 *
 * @param work what was asked for; given a failure, that is what comes of it
 * @returns null when the connection ends without an answer
 */
export function meeting(fault: Fault | null, work: (failure?: Answer) => Done): Done | null {
  switch (fault) {
    case 'cut':
      return null;
    case 'rate_limited':
      return { answer: RATE_LIMITED, isReplay: false };
    case 'error':
      return { answer: BROKEN, isReplay: false };
    case 'error_kept':
      return work(BROKEN);
    case 'error_after':
      work();
      return { answer: BROKEN, isReplay: false };
    case 'cut_after':
      work();
      return null;
    case null:
      return work();
  }
}

const RATE_LIMITED: Answer = {
  status: 429,
  body: { error: { type: 'invalid_request_error', code: 'rate_limit', message: 'Request rate limit exceeded.' } },
};
const BROKEN: Answer = { status: 500, body: { error: { type: 'api_error', message: 'An unknown error occurred.' } } };
