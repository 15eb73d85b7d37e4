import type { AspectRatio, ImageQuality } from '../../domain/generation.ts';
import type { ImageRequest } from '../port.ts';

/** The parameters of `images.generate` that models disagree about. */
export interface Parameters {
  size?: string;
  quality?: 'standard' | 'hd' | 'medium' | 'high';
  response_format?: 'b64_json';
}

/** How one family of models wants to be asked. */
export interface Dialect {
  /** Pictures that one call may ask for. */
  maxCount: number;
  parametersOf(aspectRatio: AspectRatio, quality: ImageQuality): Parameters;
}

type Sizes = Readonly<Record<AspectRatio, string>>;

/** Square, wide and tall are all that the model offers. */
function threeSizes(square: string, wide: string, tall: string): Sizes {
  return { '1:1': square, '16:9': wide, '4:3': wide, '3:2': wide, '9:16': tall, '3:4': tall, '2:3': tall };
}

/** Exact ratios whose edges divide by 16, which this family demands. */
const GPT_IMAGE_2_SIZES: Sizes = {
  '1:1': '1024x1024',
  '16:9': '1536x864',
  '9:16': '864x1536',
  '4:3': '1344x1008',
  '3:4': '1008x1344',
  '3:2': '1536x1024',
  '2:3': '1024x1536',
};
/** About a million pixels, edges that divide by 64: what latent diffusion models are trained on. */
const DIFFUSION_SIZES: Sizes = {
  '1:1': '1024x1024',
  '16:9': '1344x768',
  '9:16': '768x1344',
  '4:3': '1152x896',
  '3:4': '896x1152',
  '3:2': '1216x832',
  '2:3': '832x1216',
};
const GPT_IMAGE_SIZES = threeSizes('1024x1024', '1536x1024', '1024x1536');
const DALL_E_3_SIZES = threeSizes('1024x1024', '1792x1024', '1024x1792');

function gptImage(sizes: Sizes): Dialect {
  return {
    maxCount: 10,
    // Always answers in base64, and refuses to be told so.
    parametersOf: (aspectRatio, quality) => ({
      size: sizes[aspectRatio],
      quality: quality === 'hd' ? 'high' : 'medium',
    }),
  };
}

const DALL_E_3: Dialect = {
  maxCount: 1,
  parametersOf: (aspectRatio, quality) => ({ size: DALL_E_3_SIZES[aspectRatio], quality, response_format: 'b64_json' }),
};

/** Draws squares only and knows no quality: hd is the larger square. */
const DALL_E_2: Dialect = {
  maxCount: 10,
  parametersOf: (_, quality) => ({ size: quality === 'hd' ? '1024x1024' : '512x512', response_format: 'b64_json' }),
};

/** Any other server that speaks the API. Standard quality goes unsaid, since many know no such parameter. */
const OTHER: Dialect = {
  maxCount: 4,
  parametersOf: (aspectRatio, quality) => ({
    size: DIFFUSION_SIZES[aspectRatio],
    response_format: 'b64_json',
    ...(quality === 'hd' ? { quality } : {}),
  }),
};

/** The dialect of a model, told by its name. */
export function dialectOf(model: string): Dialect {
  if (/^gpt-image-2/.test(model)) return gptImage(GPT_IMAGE_2_SIZES);
  if (/^(?:chat)?gpt-image/.test(model)) return gptImage(GPT_IMAGE_SIZES);
  if (model === 'dall-e-3') return DALL_E_3;
  if (model === 'dall-e-2') return DALL_E_2;
  return OTHER;
}

/** The API takes one text: style and what to avoid become its last sentences. */
export function promptOf(request: ImageRequest): string {
  const parts = [request.prompt, `Style: ${request.style}.`];
  if (request.negativePrompt) parts.push(`Avoid: ${request.negativePrompt}.`);
  return parts.join('\n\n');
}
