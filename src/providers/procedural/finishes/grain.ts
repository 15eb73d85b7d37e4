import { scramble } from '../random.ts';

/** -0.5 to 0.5, another in every pixel. Hides the steps of 8 bits in a soft gradient, or looks like film. */
export function grainAt(column: number, row: number): number {
  return scramble(Math.imul(column, 0x6c078965) ^ Math.imul(row, 0x2545f491)) / 0x1_0000_0000 - 0.5;
}
