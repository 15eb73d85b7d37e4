/** What a label says that has no name of its own. */
export const OTHER = 'other';

/**
 * Lets a label through as long as it has few values. A time series is kept for every value that was ever seen, so whatever
 * comes from outside has to end in {@link OTHER}.
 */
export function limited(most: number): (value: string) => string {
  const seen = new Set<string>();
  return function limitedLabel(value) {
    if (!seen.has(value) && seen.size >= most) return OTHER;
    seen.add(value);
    return value;
  };
}

/** Lets these values through. */
export function oneOf(values: Iterable<string>): (value: string) => string {
  const known = new Set(values);
  return (value) => (known.has(value) ? value : OTHER);
}
