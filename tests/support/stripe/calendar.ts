/** Seconds of a day. */
export const DAY = 86_400;

/**
 * The anchor so many months on, clamped at a month's end: the anchor's day is remembered
 * (https://docs.stripe.com/billing/subscriptions/billing-cycle).
 *
 * @param anchor seconds
 */
export function monthsOn(anchor: number, months: number): number {
  const at = new Date(anchor * 1000);
  const day = at.getUTCDate();
  const target = new Date(at);
  target.setUTCDate(1);
  target.setUTCMonth(at.getUTCMonth() + months);
  const lastDay = new Date(Date.UTC(target.getUTCFullYear(), target.getUTCMonth() + 1, 0)).getUTCDate();
  target.setUTCDate(Math.min(day, lastDay));
  return target.getTime() / 1000;
}

/** The first end of a month, counted from the anchor, behind the instant. */
export function periodEndAfter(anchor: number, instant: number): number {
  let months = 1;
  while (monthsOn(anchor, months) <= instant) months += 1;
  return monthsOn(anchor, months);
}
