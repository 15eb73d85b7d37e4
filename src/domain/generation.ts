/** The words and limits of an image generation; schemas, models and documentation all read them here. */

export const IMAGE_GENERATION_TYPES = [
  'text-to-image',
  'image-to-image',
  'inpainting',
  'outpainting',
  'upscale',
  'variation',
] as const;
export type ImageGenerationType = (typeof IMAGE_GENERATION_TYPES)[number];

export const ASPECT_RATIOS = ['1:1', '16:9', '9:16', '4:3', '3:4', '3:2', '2:3'] as const;
export type AspectRatio = (typeof ASPECT_RATIOS)[number];

export const IMAGE_QUALITIES = ['standard', 'hd'] as const;
export type ImageQuality = (typeof IMAGE_QUALITIES)[number];

export const GENERATION_LIMITS = Object.freeze({
  /** Images per request. */
  minCount: 1,
  maxCount: 4,
  /** Characters. */
  maxPromptLength: 4000,
  maxNegativePromptLength: 2000,
  maxNameLength: 64,
  maxUrlLength: 2048,
  maxErrorMessageLength: 1000,
  maxFilenameLength: 255,
  maxContentTypeLength: 127,
  maxWorkerIdLength: 128,
  /** Of either side of a picture. */
  maxPixels: 65_535,
  /** Attempts before a generation is given up. */
  maxAttempts: 3,
  /** Seconds that a lease may last without a heartbeat. */
  minLeaseSeconds: 5,
  maxLeaseSeconds: 3600,
  defaultLeaseSeconds: 60,
  /** Seconds after which an attempt hangs, however lively its heartbeat. */
  maxAttemptSeconds: 900,
  /** Seconds that a worker may say an attempt took. */
  maxProcessingSeconds: 86_400,
});

/** What a request may leave out. */
export const GENERATION_DEFAULTS = Object.freeze({
  style: 'realistic',
  aspectRatio: '1:1',
  quality: 'standard',
  model: 'default',
  count: 1,
} as const);

/** Credits of one image of each quality. */
export const CREDITS_PER_IMAGE: Readonly<Record<ImageQuality, number>> = Object.freeze({ standard: 1, hd: 2 });

/** Credits that a request costs: its images times the price of one. */
export function creditsFor(request: { quality: ImageQuality; count: number }): number {
  return CREDITS_PER_IMAGE[request.quality] * request.count;
}

/** Every type but `text-to-image` starts from a picture. */
export function needsSourceImage(type: ImageGenerationType): boolean {
  return type !== 'text-to-image';
}
