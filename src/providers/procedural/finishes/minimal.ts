import { shadePixels } from '../canvas.ts';
import { cover, luma } from '../colour.ts';
import { smoothstep } from '../maths.ts';
import type { Finish } from './finish.ts';
import { grainAt } from './grain.ts';

/** A print: the flat scene inside a margin of paper. */
export const minimal: Finish = async (scene, plan, pace) => {
  const { width, height, unit } = scene;
  const margin = unit * 0.055;
  const paper = { r: 0.965, g: 0.95, b: 0.92 };
  const shade = luma(plan.palette.near) * 0.02;
  await shadePixels(scene, pace, (column, row, colour) => {
    const inside = Math.min(column + 0.5, row + 0.5, width - column - 0.5, height - row - 0.5) - margin;
    cover(colour, paper, smoothstep(0.5, -0.5, inside));
    const grain = grainAt(column, row) * (0.006 + shade);
    colour.r += grain;
    colour.g += grain;
    colour.b += grain;
  });
  return scene;
};
