/** The value held between 0 and 1. */
export function clamp01(value: number): number {
  return Math.max(0, Math.min(1, value));
}

/** From a to b by t. */
export function mix(a: number, b: number, t: number): number {
  return a + (b - a) * t;
}

/** 0 below `low`, 1 above `high`, an even S between. */
export function smoothstep(low: number, high: number, value: number): number {
  const t = clamp01((value - low) / (high - low));
  return t * t * (3 - 2 * t);
}
