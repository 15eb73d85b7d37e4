import { type Canvas, createCanvas, readPixel, shadePixels } from '../canvas.ts';
import { type Colour, luma } from '../colour.ts';
import { clamp01, smoothstep } from '../maths.ts';
import { noise } from '../noise.ts';
import type { Finish } from './finish.ts';

/** Directions of the hatching (radians), the darkness from which each is drawn, and lines to a unit. */
const HATCHES = [
  { angle: 0.7, from: 0.2, lines: 115 },
  { angle: 0.95, from: 0.42, lines: 125 },
  { angle: -0.75, from: 0.58, lines: 120 },
  { angle: 1.5, from: 0.74, lines: 135 },
] as const;

/** Graphite on toned paper: outlines where the scene changes, hatching where it is dark. */
export const sketch: Finish = async (scene, plan, pace) => {
  const { width, height, unit } = scene;
  const sheet = createCanvas(width, height);
  const hand = plan.random.bits();
  const tooth = plan.random.bits();
  const paper: Colour = { r: 0.955, g: 0.935, b: 0.89 };
  const graphite: Colour = { r: 0.17, g: 0.17, b: 0.2 };
  const reach = unit * 0.0016;
  const sample: Colour = { r: 0, g: 0, b: 0 };

  await shadePixels(sheet, pace, (column, row, colour) => {
    const x = column / unit;
    const y = row / unit;
    const trembleX = noise(hand, x * 14, y * 14);
    const trembleY = noise(hand, x * 14 + 30, y * 14);
    const px = column + trembleX * unit * 0.003;
    const py = row + trembleY * unit * 0.003;
    const darkness = 1 - brightness(scene, px, py, sample);
    const across = brightness(scene, px + reach, py, sample) - brightness(scene, px - reach, py, sample);
    const along = brightness(scene, px, py + reach, sample) - brightness(scene, px, py - reach, sample);
    const rough = 0.5 + noise(tooth, x * 260, y * 260);
    let ink = smoothstep(0.035, 0.16, Math.sqrt(across * across + along * along)) * 0.85;
    for (const { angle, from, lines } of HATCHES) {
      const pressure = smoothstep(from, from + 0.26, darkness);
      if (pressure === 0) continue;
      const position = (x * Math.cos(angle) + y * Math.sin(angle)) * lines + trembleX * 0.9;
      const stroke = Math.abs(position - Math.floor(position) - 0.5) * 2;
      ink += smoothstep(1 - 0.62 * pressure, 1.02, stroke) * (0.35 + 0.5 * pressure) * (0.7 + 0.3 * trembleY);
    }
    const edge = Math.min(x, y, width / unit - x, height / unit - y);
    const drawn = smoothstep(0.02, 0.075, edge + trembleX * 0.02 + noise(tooth, x * 60, y * 2) * 0.02);
    const amount = clamp01((ink + darkness * darkness * 0.2) * (0.55 + 0.6 * rough)) * drawn * 0.92;
    const grain = (rough - 0.5) * 0.03;
    colour.r = paper.r + (graphite.r - paper.r) * amount - grain;
    colour.g = paper.g + (graphite.g - paper.g) * amount - grain;
    colour.b = paper.b + (graphite.b - paper.b) * amount - grain;
  });
  return sheet;
};

function brightness(canvas: Canvas, x: number, y: number, sample: Colour): number {
  readPixel(canvas, x, y, sample);
  return luma(sample);
}
