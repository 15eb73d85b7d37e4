import { shadePixels } from '../canvas.ts';
import { smoothstep } from '../maths.ts';
import type { Finish } from './finish.ts';
import { grainAt } from './grain.ts';

/** As a camera would: a little contrast, darker corners, fine grain. */
export const realistic: Finish = async (scene, _plan, pace) => {
  const { width, height } = scene;
  await shadePixels(scene, pace, (column, row, colour) => {
    const dx = column / width - 0.5;
    const dy = row / height - 0.5;
    const corner = 1 - 0.3 * smoothstep(0.16, 0.62, dx * dx + dy * dy);
    const grain = grainAt(column, row) * (2.2 / 255);
    colour.r = curve(colour.r * corner) + grain;
    colour.g = curve(colour.g * corner) + grain;
    colour.b = curve(colour.b * corner) + grain;
  });
  return scene;
};

/** Deeper shadows and kept highlights: two parts of the value, one part of an S. */
function curve(value: number): number {
  return value + 0.34 * (value * value * (3 - 2 * value) - value);
}
