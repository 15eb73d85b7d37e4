import { assign, blend, type Colour } from './colour.ts';
import { clamp01 } from './maths.ts';

/** Writes the colour at t (0 to 1, held there) into `target`. */
export type Ramp = (t: number, target: Colour) => void;

const STEPS = 512;

/** An even passage through the stops. Blended once into steps: a pixel then costs one look. */
export function createRamp(stops: readonly [Colour, ...Colour[]]): Ramp {
  const last = stops.length - 1;
  const steps: Colour[] = Array.from({ length: STEPS + 1 }, (_, step) => {
    const position = (step / STEPS) * last;
    const index = Math.min(Math.floor(position), Math.max(last - 1, 0));
    const from = stops[index] ?? stops[0];
    return blend(from, stops[index + 1] ?? from, position - index);
  });
  return (t, target) => {
    const position = clamp01(t) * STEPS;
    const index = Math.floor(position);
    const from = steps[index];
    const to = steps[Math.min(index + 1, STEPS)];
    if (from === undefined || to === undefined) return;
    assign(target, from);
    const part = position - index;
    target.r += (to.r - from.r) * part;
    target.g += (to.g - from.g) * part;
    target.b += (to.b - from.b) * part;
  };
}
