import { createCanvas, readPixel, shadePixels } from '../canvas.ts';
import { luma } from '../colour.ts';
import { clamp01, smoothstep } from '../maths.ts';
import { fractal, noise } from '../noise.ts';
import type { Finish } from './finish.ts';

/** Washes: soft borders that wander, pigment that gathers at the rim of each wash, rough paper that shows through. */
export const watercolor: Finish = async (scene, plan, pace) => {
  const { width, height, unit } = scene;
  const sheet = createCanvas(width, height);
  const wander = plan.random.bits();
  const bloom = plan.random.bits();
  const paperNoise = plan.random.bits();
  await shadePixels(sheet, pace, (column, row, colour) => {
    const x = column / unit;
    const y = row / unit;
    const shiftX = fractal(wander, x * 9, y * 9, 2);
    const shiftY = fractal(wander, x * 9 + 40, y * 9, 2);
    readPixel(scene, column + shiftX * unit * 0.02, row + shiftY * unit * 0.02, colour);

    const pooling = fractal(bloom, x * 3.1, y * 3.1, 3);
    const level = luma(colour) * 5.5 + pooling * 0.9 + shiftX * 0.35;
    const within = level - Math.floor(level);
    const rim = smoothstep(0.16, 0, within) * 0.16;
    const settled = (Math.floor(level) + smoothstep(0.1, 0.9, within) - level) * 0.09;
    const tooth = noise(paperNoise, x * 210, y * 210) * 0.55 + noise(paperNoise, x * 95, y * 95) * 0.45;
    const pigment = clamp01(0.84 + pooling * 0.3 + tooth * 0.1) * (1 + rim);

    // Where the brush ended, the sheet stays white.
    const edge = Math.min(x, y, width / unit - x, height / unit - y) - 0.04;
    const wet = smoothstep(-0.006, 0.012, edge + shiftY * 0.035 + tooth * 0.004);
    const border = smoothstep(0.022, 0.004, edge + shiftY * 0.035) * 0.14;
    const strength = wet * (pigment + border);
    colour.r = wash(colour.r + settled, strength) - tooth * 0.018;
    colour.g = wash(colour.g + settled, strength) - tooth * 0.018;
    colour.b = wash(colour.b + settled, strength) * 0.985 - tooth * 0.018;
  });
  return sheet;
};

/** Paper seen through that much of a pigment. */
function wash(channel: number, strength: number): number {
  return 0.985 - (1 - clamp01(channel * 0.93 + 0.07)) * strength;
}
