import type { GeneratedImage, ImageProvider } from './port.ts';
import { drawPicture } from './procedural/draw.ts';
import { createPace } from './procedural/pace.ts';

/**
 * Draws pictures by procedure: fractal landscapes, seas, cities, nebulae and poured paint, in the manner that the style
 * names. It is no AI model and understands nothing: words of the prompt choose place, light and weather, and a hash of
 * the request decides the rest. It serves development, demonstrations and tests: no key, no network, no cost.
 *
 * The same request draws the same pictures: byte for byte on one runtime, to the eye on all of them (runtimes round
 * sines and compress differently). A source image is not fetched; its address only seeds the drawing.
 */
export function proceduralProvider(): ImageProvider {
  return {
    name: 'procedural',
    async generate(request, { signal }) {
      const pace = createPace(signal);
      const images: GeneratedImage[] = [];
      for (let index = 0; index < request.count; index += 1) images.push(await drawPicture(request, index, pace));
      return images;
    },
  };
}
