import { scramble } from '../random.ts';

/** Stars to a unit square, one cell each at most: many faint, few bright. */
const FIELDS = [
  { cell: 0.016, share: 0.5, radius: 0.0011, strength: 0.55 },
  { cell: 0.055, share: 0.4, radius: 0.0019, strength: 1 },
] as const;

/** How bright the starry sky of that seed is at the point: 0 (dark) to 1. */
export function starlight(x: number, y: number, seed: number): number {
  let brightest = 0;
  for (const { cell, share, radius, strength } of FIELDS) {
    const column = Math.floor(x / cell);
    const row = Math.floor(y / cell);
    const hash = scramble(Math.imul(column, 0x3504f333) ^ Math.imul(row, 0x71d67fff) ^ seed ^ (cell * 1e6));
    if ((hash & 0xff) / 256 > share) continue;
    // Kept off the cell's border, so that no star is cut.
    const centreX = (column + 0.2 + (0.6 * ((hash >>> 8) & 0xff)) / 255) * cell;
    const centreY = (row + 0.2 + (0.6 * ((hash >>> 16) & 0xff)) / 255) * cell;
    const distance = ((x - centreX) ** 2 + (y - centreY) ** 2) / (radius * radius);
    if (distance > 9) continue;
    const magnitude = (hash >>> 24) / 255;
    brightest = Math.max(brightest, Math.exp(-distance) * strength * (0.25 + 0.75 * magnitude * magnitude));
  }
  return brightest;
}
