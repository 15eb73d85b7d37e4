import type { Colour } from './colour.ts';
import type { Pace } from './pace.ts';

/** Unrounded pixels, row by row, three floats each (sRGB, 0 to 1). */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  /** Pixels to one unit of the scene: the mean edge, so that a scene looks alike in every shape and quality. */
  readonly unit: number;
  readonly pixels: Float32Array;
}

/** An empty (black) canvas of that many pixels. */
export function createCanvas(width: number, height: number): Canvas {
  return { width, height, unit: Math.sqrt(width * height), pixels: new Float32Array(width * height * 3) };
}

/** Reads the pixel nearest to (x, y), or the border's beyond it, into `target`. */
export function readPixel(canvas: Canvas, x: number, y: number, target: Colour): void {
  const column = x < 0 ? 0 : x >= canvas.width ? canvas.width - 1 : Math.floor(x);
  const row = y < 0 ? 0 : y >= canvas.height ? canvas.height - 1 : Math.floor(y);
  const at = (row * canvas.width + column) * 3;
  target.r = canvas.pixels[at] ?? 0;
  target.g = canvas.pixels[at + 1] ?? 0;
  target.b = canvas.pixels[at + 2] ?? 0;
}

/** Writes a pixel that lies on the canvas. */
export function writePixel(canvas: Canvas, column: number, row: number, colour: Colour): void {
  const at = (row * canvas.width + column) * 3;
  canvas.pixels[at] = colour.r;
  canvas.pixels[at + 1] = colour.g;
  canvas.pixels[at + 2] = colour.b;
}

/**
 * Calls `shade` for every pixel with its own colour in hand, and keeps what it leaves there.
 *
 * @throws {ProviderError} when the pace's signal is aborted.
 */
export async function shadePixels(
  canvas: Canvas,
  pace: Pace,
  shade: (column: number, row: number, colour: Colour) => void,
): Promise<void> {
  const colour: Colour = { r: 0, g: 0, b: 0 };
  for (let row = 0; row < canvas.height; row += 1) {
    for (let column = 0; column < canvas.width; column += 1) {
      readPixel(canvas, column, row, colour);
      shade(column, row, colour);
      writePixel(canvas, column, row, colour);
    }
    await pace.step();
  }
}
