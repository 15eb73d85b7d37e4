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
