import { type Canvas, shadePixels } from '../canvas.ts';
import { blend, type Colour, cover, dim, light, vary } from '../colour.ts';
import { clamp01 } from '../maths.ts';
import { fractal } from '../noise.ts';
import type { Pace } from '../pace.ts';
import type { Plan } from '../plan.ts';
import { createRamp } from '../ramp.ts';

/** Poured paint: noise that bends noise that bends noise, lit from the side as if it were thick. */
export async function paintFlow(plan: Plan, canvas: Canvas, pace: Pace): Promise<void> {
  const { palette, random } = plan;
  const { unit, width, height } = canvas;
  const first = random.bits();
  const second = random.bits();
  const third = random.bits();
  const accent = vary(palette.sky[2], random.between(1.6, 3), 1.15, 1);
  const colours = createRamp([
    palette.near,
    palette.sky[0],
    palette.sky[1],
    palette.sky[2],
    palette.sky[3],
    palette.cloudLit,
  ]);
  const veins = createRamp([palette.near, accent, blend(accent, palette.sun, 0.6)]);
  const scale = random.between(1.1, 1.7);
  const offset = random.between(0, 80);
  const bands = random.between(1.6, 2.6);
  const relief = new Float32Array(width * height);
  const vein: Colour = { r: 0, g: 0, b: 0 };

  await shadePixels(canvas, pace, (column, row, colour) => {
    const u = (column / unit) * scale + offset;
    const v = (row / unit) * scale;
    const ax = fractal(first, u, v, 3);
    const ay = fractal(first, u + 4.1, v + 2.7, 3);
    const bx = fractal(second, u + 2.6 * ax, v + 2.6 * ay, 3);
    const by = fractal(second, u + 2.6 * ax + 8.3, v + 2.6 * ay + 2.8, 3);
    const level = fractal(third, u + 2.9 * bx, v + 2.9 * by, 3);
    const swell = Math.sin((level * bands + bx) * 5.2);
    relief[row * width + column] = swell * 0.5 + level;
    colours(0.46 + level * 0.95 + ax * 0.42, colour);
    veins(clamp01(0.5 + by * 1.4), vein);
    const amount = clamp01(swell * 0.9 - 0.15) * clamp01(0.5 + bx * 1.6);
    cover(colour, vein, amount);
  });

  await shadePixels(canvas, pace, (column, row, colour) => {
    const at = row * width + column;
    const here = relief[at] ?? 0;
    const left = column > 0 ? (relief[at - 1] ?? 0) : here;
    const above = row > 0 ? (relief[at - width] ?? 0) : here;
    const slopeX = (here - left) * unit * 0.03;
    const slopeY = (here - above) * unit * 0.03;
    const normal = 1 / Math.sqrt(1 + slopeX * slopeX + slopeY * slopeY);
    const facing = (0.5 * slopeX + 0.62 * slopeY + 0.75) * normal;
    dim(colour, 0.62 + 0.5 * clamp01(facing));
    light(colour, palette.sun, 0.5 * clamp01(facing) ** 14);
  });
}
