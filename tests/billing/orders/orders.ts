/** An act, or one of the deliveries that tell of it. */
export interface Step {
  act: number;
  /** Which of the act's events; without it, the act itself happens. */
  tells?: number;
}

/**
 * Every order in which acts, which have their own, and the deliveries of what they tell can follow each other: no event comes before it has
 * happened. All permutations of the deliveries are among them.
 *
 * @param events how many tell of each act
 */
export function ordersOf(events: readonly number[]): Step[][] {
  const steps = events.flatMap((count, act) => [
    { act },
    ...Array.from({ length: count }, (_, tells) => ({ act, tells })),
  ]);
  return completed([], steps);
}

function completed(begun: readonly Step[], left: readonly Step[]): Step[][] {
  if (left.length === 0) return [[...begun]];
  const happened = begun.filter(({ tells }) => tells === undefined).length;
  return left
    .filter(({ act, tells }) => (tells === undefined ? act === happened : act < happened))
    .flatMap((step) =>
      completed(
        [...begun, step],
        left.filter((one) => one !== step),
      ),
    );
}
