import type { AspectRatio, ImageGenerationType, ImageQuality } from '../domain/generation.ts';

/** What a provider is asked to draw. */
export interface ImageRequest {
  type: ImageGenerationType;
  prompt: string;
  negativePrompt?: string | undefined;
  style: string;
  aspectRatio: AspectRatio;
  quality: ImageQuality;
  model: string;
  count: number;
  /** https; present for every type but `text-to-image`. */
  sourceImageUrl?: string | undefined;
}

/** One finished picture; width and height in pixels. */
export interface GeneratedImage {
  bytes: Uint8Array;
  contentType: 'image/png' | 'image/jpeg' | 'image/webp';
  width: number;
  height: number;
}

/** Whoever draws: an image model behind an API, or a procedure. */
export interface ImageProvider {
  readonly name: string;
  /**
   * Draws exactly `request.count` pictures.
   *
   * @throws {ProviderError} when it cannot; `retryable` tells whether another attempt could succeed.
   */
  generate(request: ImageRequest, options: { signal: AbortSignal }): Promise<GeneratedImage[]>;
}

/** Why nothing was drawn. The message is shown to the caller: it holds no secret and no address of ours. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly retryable: boolean;

  constructor(message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.retryable = options.retryable;
  }
}
