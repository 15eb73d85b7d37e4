import fc from 'fast-check';
import { decode } from 'fast-png';
import { expect, it } from 'vitest';
import { createCanvas } from '@/providers/procedural/canvas.ts';
import { createPace } from '@/providers/procedural/pace.ts';
import { encodePng } from '@/providers/procedural/png.ts';

it('a canvas of any size and content is what an independent decoder reads from its PNG', async () => {
  const size = fc.integer({ min: 1, max: 50 });
  await fc.assert(
    fc.asyncProperty(size, size, fc.integer(), async (width, height, seed) => {
      const canvas = createCanvas(width, height);
      // Beyond 0 and 1 too: painters may overshoot, and the file holds the nearest that it can.
      for (let index = 0; index < canvas.pixels.length; index += 1) {
        canvas.pixels[index] = Math.sin(seed + index * index * 0.37) * 0.7 + 0.5;
      }
      const decoded = decode(await encodePng(canvas, createPace(new AbortController().signal)));
      expect([decoded.width, decoded.height, decoded.channels, decoded.depth]).toEqual([width, height, 3, 8]);
      const expected = Array.from(canvas.pixels, (value) => Math.round(Math.min(Math.max(value, 0), 1) * 255));
      expect(Array.from(decoded.data)).toEqual(expected);
    }),
    { numRuns: 60 },
  );
});
