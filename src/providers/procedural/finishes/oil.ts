import { type Canvas, createCanvas, readPixel, shadePixels, writePixel } from '../canvas.ts';
import { type Colour, luma } from '../colour.ts';
import { clamp01 } from '../maths.ts';
import { noise } from '../noise.ts';
import type { Pace } from '../pace.ts';
import type { Random } from '../random.ts';
import type { Finish } from './finish.ts';

/** Brushes from the ground coat to the accents: width and length in units, and how often the canvas is covered. */
const BRUSHES = [
  { width: 0.05, length: 0.13, coats: 2.2 },
  { width: 0.022, length: 0.075, coats: 1.9 },
  { width: 0.009, length: 0.03, coats: 1.7 },
] as const;

/** Strokes of a loaded brush that follow the forms, large ones first; then the light on their ridges of paint. */
export const oil: Finish = async (scene, plan, pace) => {
  const canvas = createCanvas(scene.width, scene.height);
  canvas.pixels.set(scene.pixels);
  const drift = plan.random.bits();
  const thickness = new Float32Array(scene.width * scene.height);
  for (const brush of BRUSHES) await paintCoat(scene, canvas, thickness, brush, drift, plan.random, pace);
  await shadePixels(canvas, pace, (column, row, colour) => {
    const at = row * canvas.width + column;
    const here = thickness[at] ?? 0;
    const corner = row > 0 && column > 0 ? (thickness[at - canvas.width - 1] ?? 0) : here;
    const shine = 1 + Math.max(Math.min((here - corner) * 0.17, 0.09), -0.09);
    colour.r *= shine;
    colour.g *= shine;
    colour.b *= shine;
  });
  return canvas;
};

async function paintCoat(
  scene: Canvas,
  canvas: Canvas,
  thickness: Float32Array,
  brush: (typeof BRUSHES)[number],
  drift: number,
  random: Random,
  pace: Pace,
): Promise<void> {
  const { width, height, unit } = scene;
  const area = brush.width * brush.length;
  const strokes = Math.round((brush.coats * (width / unit) * (height / unit)) / area);
  const halfWidth = (brush.width * unit) / 2;
  const halfLength = (brush.length * unit) / 2;
  const colour: Colour = { r: 0, g: 0, b: 0 };
  const sample: Colour = { r: 0, g: 0, b: 0 };
  for (let stroke = 0; stroke < strokes; stroke += 1) {
    const x = random.next() * width;
    const y = random.next() * height;
    readPixel(scene, x, y, colour);
    const angle = directionAt(scene, x, y, halfWidth, drift, sample);
    const tone = random.between(-0.035, 0.035);
    colour.r = clamp01(colour.r * 1.04 + tone + random.between(-0.012, 0.012));
    colour.g = clamp01(colour.g * 1.04 + tone);
    colour.b = clamp01(colour.b * 1.04 + tone + random.between(-0.012, 0.012));
    const length = halfLength * freedomAt(scene, x, y, angle, halfLength, sample);
    paintStroke(
      canvas,
      thickness,
      { x, y, angle, halfWidth, halfLength: length, load: random.next() * 64 },
      colour,
      drift,
    );
    await pace.step();
  }
}

/** Along the form: across the way in which brightness changes; where it hardly does, with the drift. */
function directionAt(scene: Canvas, x: number, y: number, reach: number, drift: number, sample: Colour): number {
  readPixel(scene, x + reach, y, sample);
  let across = luma(sample);
  readPixel(scene, x - reach, y, sample);
  across -= luma(sample);
  readPixel(scene, x, y + reach, sample);
  let along = luma(sample);
  readPixel(scene, x, y - reach, sample);
  along -= luma(sample);
  const loose = noise(drift, (x / scene.unit) * 2.2, (y / scene.unit) * 2.2) * 1.6;
  const certainty = clamp01(Math.sqrt(across * across + along * along) * 12);
  // As a vector and not as an angle: 179 and -179 degrees are neighbours.
  const formX = -along * Math.sign(across || 1);
  const formY = Math.abs(across);
  return Math.atan2(
    formY * certainty * 8 + Math.sin(loose) * (1 - certainty) * 0.6,
    formX * certainty * 8 + Math.cos(loose) * (1 - certainty) * 0.6,
  );
}

/** How much of its length a stroke may keep: a painter lifts the brush where the colour changes. */
function freedomAt(scene: Canvas, x: number, y: number, angle: number, reach: number, sample: Colour): number {
  readPixel(scene, x, y, sample);
  const here = luma(sample);
  let change = 0;
  for (const end of [-reach, reach]) {
    readPixel(scene, x + Math.cos(angle) * end, y + Math.sin(angle) * end, sample);
    change = Math.max(change, Math.abs(luma(sample) - here));
  }
  return 1 - 0.7 * clamp01(change * 5);
}

interface Stroke {
  x: number;
  y: number;
  angle: number;
  halfWidth: number;
  halfLength: number;
  /** Where on the endless brush of noise its bristles are taken from. */
  load: number;
}

function paintStroke(canvas: Canvas, thickness: Float32Array, stroke: Stroke, colour: Colour, bristles: number): void {
  const cos = Math.cos(stroke.angle);
  const sin = Math.sin(stroke.angle);
  const reachX = Math.abs(cos) * stroke.halfLength + Math.abs(sin) * stroke.halfWidth;
  const reachY = Math.abs(sin) * stroke.halfLength + Math.abs(cos) * stroke.halfWidth;
  const left = Math.max(Math.floor(stroke.x - reachX), 0);
  const right = Math.min(Math.ceil(stroke.x + reachX), canvas.width - 1);
  const top = Math.max(Math.floor(stroke.y - reachY), 0);
  const bottom = Math.min(Math.ceil(stroke.y + reachY), canvas.height - 1);
  const pixel: Colour = { r: 0, g: 0, b: 0 };
  for (let row = top; row <= bottom; row += 1) {
    for (let column = left; column <= right; column += 1) {
      const dx = column - stroke.x;
      const dy = row - stroke.y;
      const along = (dx * cos + dy * sin) / stroke.halfLength;
      const across = (dy * cos - dx * sin) / stroke.halfWidth;
      if (across < -1 || across > 1 || along < -1 || along > 1) continue;
      const bristle = noise(bristles, across * 4.5 + stroke.load, along * 0.7 + stroke.load);
      const rim = 1 - across * across;
      const end = 1 - along * along;
      const cover = clamp01(rim * 3.2 * (end * 3 + bristle * 1.6));
      if (cover <= 0.02) continue;
      readPixel(canvas, column, row, pixel);
      const streak = 1 + bristle * 0.07;
      pixel.r += (colour.r * streak - pixel.r) * cover;
      pixel.g += (colour.g * streak - pixel.g) * cover;
      pixel.b += (colour.b * streak - pixel.b) * cover;
      writePixel(canvas, column, row, pixel);
      const at = row * canvas.width + column;
      thickness[at] = (thickness[at] ?? 0) * (1 - cover) + cover * (0.5 + bristle * 0.8 + rim * 0.35);
    }
  }
}
