import { createCanvas, readPixel, shadePixels } from '../canvas.ts';
import { type Colour, luma } from '../colour.ts';
import type { Finish } from './finish.ts';

/** The order in which a 4 by 4 tile of blocks turns to the brighter colour. */
const BAYER = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5] as const;
/** Levels of each channel: few enough to show, enough for a sky. */
const LEVELS = 9;

/** Each pixel of a small scene as a square block, in few colours, with the ordered dither of old machines. */
export const pixel: Finish = async (scene, _plan, pace, size) => {
  const poster = createCanvas(size.width, size.height);
  const block = size.width / scene.width;
  const grey: Colour = { r: 0, g: 0, b: 0 };
  await shadePixels(poster, pace, (column, row, colour) => {
    const blockColumn = Math.floor(column / block);
    const blockRow = Math.floor(row / block);
    readPixel(scene, blockColumn, blockRow, grey);
    const threshold = ((BAYER[(blockRow & 3) * 4 + (blockColumn & 3)] ?? 0) + 0.5) / 16 - 0.5;
    const brightness = luma(grey);
    colour.r = step(brightness + (grey.r - brightness) * 1.2, threshold);
    colour.g = step(brightness + (grey.g - brightness) * 1.2, threshold);
    colour.b = step(brightness + (grey.b - brightness) * 1.2, threshold);
  });
  return poster;
};

function step(channel: number, threshold: number): number {
  return Math.round(channel * LEVELS + threshold * 0.6) / LEVELS;
}
