import { shadePixels } from '../canvas.ts';
import { luma } from '../colour.ts';
import { smoothstep } from '../maths.ts';
import type { Finish } from './finish.ts';
import { grainAt } from './grain.ts';

/** Clean, saturated colour with light that spills from the upper corner, as on a painted film background. */
export const anime: Finish = async (scene, _plan, pace) => {
  const { width, height } = scene;
  await shadePixels(scene, pace, (column, row, colour) => {
    const grey = luma(colour);
    const shaft = smoothstep(0.95, 0, Math.hypot(column / width - 0.1, row / height) * 0.9) * 0.07;
    const dither = grainAt(column, row) / 255;
    colour.r = vivid(colour.r, grey) * (1 - shaft) + shaft + dither;
    colour.g = vivid(colour.g, grey) * (1 - shaft) + shaft + dither;
    colour.b = vivid(colour.b, grey) * (1 - shaft * 0.8) + shaft * 0.8 + dither;
  });
  return scene;
};

function vivid(channel: number, grey: number): number {
  const saturated = grey + (channel - grey) * 1.28;
  return saturated * 1.02;
}
