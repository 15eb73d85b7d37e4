import { ValidationFailedError } from './errors.ts';

/** The most credits that one charge or grant may move. */
export const MAX_CREDITS = 1_000_000;

/** @throws {ValidationFailedError} unless it is a whole number from 1 to {@link MAX_CREDITS} */
export function assertCredits(credits: number): void {
  if (Number.isInteger(credits) && credits >= 1 && credits <= MAX_CREDITS) return;
  throw new ValidationFailedError([
    { path: 'credits', message: `Give a whole number of credits from 1 to ${MAX_CREDITS}` },
  ]);
}
