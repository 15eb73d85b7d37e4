import fc from 'fast-check';
import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { readImageHeader } from '@/providers/image-header.ts';

function bytesOf(...parts: (string | number[])[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'string' ? [...part].map((c) => c.charCodeAt(0)) : part)),
  );
}

const JPEG = bytesOf(
  [0xff, 0xd8, 0xff, 0xe0, 0, 16],
  'JFIF\0',
  [1, 1, 0, 0, 1, 0, 1, 0, 0],
  // A table whose number lies among those of frames, and a fill byte before the next marker.
  [0xff, 0xc4, 0, 4, 0, 0, 0xff],
  [0xff, 0xc2, 0, 17, 8, 0x01, 0x02, 0x03, 0x04, 3],
);
const WEBP_LOSSY = bytesOf(
  'RIFF',
  [0, 0, 0, 0],
  'WEBPVP8 ',
  [0, 0, 0, 0, 0, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00],
);
// 14 bits of width - 1 = 299, then 14 bits of height - 1 = 99.
const LOSSLESS_BITS = 299 | (99 << 14);
const WEBP_LOSSLESS = bytesOf(
  'RIFF',
  [0, 0, 0, 0],
  'WEBPVP8L',
  [0, 0, 0, 0, 0x2f],
  [LOSSLESS_BITS & 255, (LOSSLESS_BITS >> 8) & 255, (LOSSLESS_BITS >> 16) & 255, LOSSLESS_BITS >> 24],
);
const WEBP_EXTENDED = bytesOf(
  'RIFF',
  [0, 0, 0, 0],
  'WEBPVP8X',
  [10, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x03, 0x00, 0x37, 0x02, 0x00],
);

describe('the header of a picture', () => {
  it('tells type and size of a PNG', () => {
    const png = encode({ width: 11, height: 4, channels: 3, data: new Uint8Array(11 * 4 * 3) });
    expect(readImageHeader(png)).toEqual({ contentType: 'image/png', width: 11, height: 4 });
  });

  it('finds the frame of a JPEG behind segments, tables and fill bytes', () => {
    expect(readImageHeader(JPEG)).toEqual({ contentType: 'image/jpeg', width: 0x0304, height: 0x0102 });
  });

  it.each([
    ['lossy', WEBP_LOSSY, 320, 240],
    ['lossless', WEBP_LOSSLESS, 300, 100],
    ['extended', WEBP_EXTENDED, 1024, 568],
  ])('reads a %s WebP', (_, bytes, width, height) => {
    expect(readImageHeader(bytes)).toEqual({ contentType: 'image/webp', width, height });
  });

  it('is null for a file of any type that is cut off within it', () => {
    for (const file of [JPEG, WEBP_LOSSY, WEBP_LOSSLESS, WEBP_EXTENDED]) {
      expect(readImageHeader(file.subarray(0, file.length - 4))).toBeNull();
    }
  });

  it('is null, and never an error, for bytes of any other kind', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom([], [0xff, 0xd8, 0xff], [0x89, 0x50]), (tail, start) => {
        const bytes = Uint8Array.from([...start, ...tail.filter((byte) => byte < 0xc0)]);
        expect(readImageHeader(bytes)).toBeNull();
      }),
    );
  });
});
