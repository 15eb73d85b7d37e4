import { createServer } from 'node:http';
import fc from 'fast-check';
import { decode } from 'fast-png';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ASPECT_RATIOS } from '@/domain/generation.ts';
import type { GeneratedImage, ImageRequest } from '@/providers/port.ts';
import { proceduralProvider } from '@/providers/procedural.ts';
import { request } from './imagesApi.ts';

const STYLES = ['realistic', 'watercolor', 'oil', 'anime', 'pixel-art', 'sketch', 'minimal'];

async function draw(changes: Partial<ImageRequest> = {}): Promise<GeneratedImage> {
  const [image] = await proceduralProvider().generate(request(changes), { signal: new AbortController().signal });
  if (image === undefined) throw new Error('Nothing was drawn.');
  return image;
}

/** Mean difference of two pictures of one size, in steps of 255. */
function difference(a: GeneratedImage, b: GeneratedImage): number {
  const left = decode(a.bytes).data;
  const right = decode(b.bytes).data;
  expect(left.length).toBe(right.length);
  let sum = 0;
  for (let index = 0; index < left.length; index += 1) sum += Math.abs((left[index] ?? 0) - (right[index] ?? 0));
  return sum / left.length;
}

/** Pictures that differ by more than this look like other pictures. */
const VISIBLE = 6;

describe('a procedural picture', () => {
  it.each(ASPECT_RATIOS)(
    'of %s is a real PNG of that exact ratio, with even edges, of the size that it says',
    async (aspectRatio) => {
      const image = await draw({ aspectRatio });
      const decoded = decode(image.bytes);
      const [across, down] = aspectRatio.split(':').map(Number);
      expect(image.contentType).toBe('image/png');
      expect([decoded.width, decoded.height]).toEqual([image.width, image.height]);
      expect(image.width * Number(down)).toBe(image.height * Number(across));
      expect([image.width % 2, image.height % 2]).toEqual([0, 0]);
      expect(Math.sqrt(image.width * image.height)).toBeGreaterThan(512);
      expect(Math.sqrt(image.width * image.height)).toBeLessThan(768);
    },
  );

  it('in hd is the same picture with twice the edge', async () => {
    const standard = await draw({ style: 'minimal', aspectRatio: '16:9' });
    const hd = await draw({ style: 'minimal', aspectRatio: '16:9', quality: 'hd' });
    expect([hd.width, hd.height]).toEqual([standard.width * 2, standard.height * 2]);
    const fine = decode(hd.bytes).data;
    const coarse = decode(standard.bytes).data;
    let sum = 0;
    for (let row = 0; row < standard.height; row += 1) {
      for (let column = 0; column < standard.width; column += 1) {
        const coarseValue = coarse[(row * standard.width + column) * 3] ?? 0;
        sum += Math.abs((fine[(row * 2 * hd.width + column * 2) * 3] ?? 0) - coarseValue);
      }
    }
    expect(sum / (standard.width * standard.height)).toBeLessThan(VISIBLE / 2);
  });

  it.each(STYLES)('in the style %s is drawn to the same bytes again', async (style) => {
    const first = await draw({ style });
    const second = await draw({ style });
    expect(Buffer.from(first.bytes).equals(Buffer.from(second.bytes))).toBe(true);
  });

  it.each<[string, Partial<ImageRequest>]>([
    ['prompt', { prompt: 'A quiet sea at night' }],
    ['prompt of the same words but one letter', { prompt: 'A majestic mountain landscapes' }],
    ['negative prompt', { negativePrompt: 'blurry' }],
    ['style', { style: 'oil painting' }],
    ['unheard style', { style: 'zzyzx' }],
    ['type and source', { type: 'variation', sourceImageUrl: 'https://example.com/a.png' }],
  ])('with another %s is visibly another picture', async (_, changes) => {
    expect(difference(await draw(), await draw(changes))).toBeGreaterThan(VISIBLE);
  });

  it('comes in as many variations as are asked for, each of which is another', async () => {
    const images = await proceduralProvider().generate(request({ count: 3, style: 'pixel-art' }), {
      signal: new AbortController().signal,
    });
    expect(images).toHaveLength(3);
    const [first, second, third] = images;
    if (!first || !second || !third) throw new Error('Fewer than three.');
    expect(difference(first, second)).toBeGreaterThan(VISIBLE);
    expect(difference(second, third)).toBeGreaterThan(VISIBLE);
    expect(difference(first, third)).toBeGreaterThan(VISIBLE);
  });

  it('in pixel art consists of whole square blocks of one colour', async () => {
    const { data, width, height } = decode((await draw({ style: 'pixel-art' })).bytes);
    const uneven = Array.from({ length: width * height }, (_, index) => index).filter((index) => {
      const column = index % width;
      const row = Math.floor(index / width);
      const corner = (row - (row % 4)) * width + column - (column % 4);
      return [0, 1, 2].some((channel) => data[index * 3 + channel] !== data[corner * 3 + channel]);
    });
    expect(uneven).toEqual([]);
  });

  it('is drawn for any text in any style', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }),
        fc.constantFrom('pixel-art', '8-bit', 'retro'),
        async (prompt, style) => {
          const image = await draw({ prompt, style });
          const { data } = decode(image.bytes);
          expect(new Set(data).size).toBeGreaterThan(3);
        },
      ),
      { numRuns: 15 },
    );
  }, 60_000);
});

describe('while it draws', () => {
  it('an HTTP server of the same process keeps answering', async () => {
    const server = createServer((_, response) => response.end('here'));
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => {
      server.close();
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The server has no port.');

    let isDrawn = false;
    const drawing = draw({ quality: 'hd' }).then(() => {
      isDrawn = true;
    });
    for (let round = 0; round < 5; round += 1) {
      const response = await fetch(`http://127.0.0.1:${address.port}`);
      expect(await response.text()).toBe('here');
    }
    expect(isDrawn).toBe(false);
    await drawing;
  });

  it('it can be stopped, as a failure that another attempt could mend', async () => {
    const controller = new AbortController();
    const drawing = proceduralProvider().generate(request({ quality: 'hd', count: 4 }), { signal: controller.signal });
    setImmediate(() => controller.abort(new Error('shutting down')));
    await expect(drawing).rejects.toMatchObject({ name: 'ProviderError', retryable: true });
  });
});
