/** The time between two quota resets: from `start` (inclusive) to `end` (exclusive). */
export interface Period {
  start: Date;
  end: Date;
}

/**
 * `months` calendar months after `anchor`, at the same time of day in UTC. A day that the month lacks becomes the month's
 * last one; counting always starts at the anchor, so 31 January leads to 28 February and then to 31 March. This is
 * MongoDB's `$dateAdd` (https://www.mongodb.com/docs/manual/reference/operator/aggregation/dateAdd/), which the charge
 * statement uses on the server.
 */
export function addMonths(anchor: Date, months: number): Date {
  const result = new Date(anchor);
  result.setUTCDate(1);
  result.setUTCMonth(result.getUTCMonth() + months);
  const lastDay = new Date(Date.UTC(result.getUTCFullYear(), result.getUTCMonth() + 1, 0)).getUTCDate();
  result.setUTCDate(Math.min(anchor.getUTCDate(), lastDay));
  return result;
}

/** The monthly period around `now` of an account whose months count from `anchor`. */
export function periodAt(anchor: Date, now: Date): Period {
  const months = (now.getUTCFullYear() - anchor.getUTCFullYear()) * 12 + now.getUTCMonth() - anchor.getUTCMonth();
  const candidate = addMonths(anchor, months);
  return candidate <= now
    ? { start: candidate, end: addMonths(anchor, months + 1) }
    : { start: addMonths(anchor, months - 1), end: candidate };
}
