import type { AspectRatio, ImageQuality } from '../../domain/generation.ts';

/** In pixels. */
export interface Size {
  width: number;
  height: number;
}

/** Pixels of a standard picture: exact ratios, even edges, divisible by the blocks of pixel art, about 400,000 in all. */
const STANDARD_SIZE: Readonly<Record<AspectRatio, Size>> = {
  '1:1': { width: 640, height: 640 },
  '16:9': { width: 832, height: 468 },
  '9:16': { width: 468, height: 832 },
  '4:3': { width: 720, height: 540 },
  '3:4': { width: 540, height: 720 },
  '3:2': { width: 768, height: 512 },
  '2:3': { width: 512, height: 768 },
};

/** Width and height of a picture in pixels; `hd` has exactly twice the edge of `standard`. */
export function pictureSize(aspectRatio: AspectRatio, quality: ImageQuality): Size {
  const { width, height } = STANDARD_SIZE[aspectRatio];
  const factor = quality === 'hd' ? 2 : 1;
  return { width: width * factor, height: height * factor };
}

/** The scene of a pixel-art picture: 4 pixels of a standard one, 8 of an hd one, are one block. */
export function blockSize(aspectRatio: AspectRatio): Size {
  const { width, height } = STANDARD_SIZE[aspectRatio];
  return { width: width / 4, height: height / 4 };
}
