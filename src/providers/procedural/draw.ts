import type { GeneratedImage, ImageRequest } from '../port.ts';
import { type Canvas, createCanvas } from './canvas.ts';
import { anime } from './finishes/anime.ts';
import type { Finish } from './finishes/finish.ts';
import { minimal } from './finishes/minimal.ts';
import { oil } from './finishes/oil.ts';
import { pixel } from './finishes/pixel.ts';
import { realistic } from './finishes/realistic.ts';
import { sketch } from './finishes/sketch.ts';
import { watercolor } from './finishes/watercolor.ts';
import type { Pace } from './pace.ts';
import { type Plan, planPicture } from './plan.ts';
import { encodePng } from './png.ts';
import { paintCosmos } from './scenes/cosmos.ts';
import { paintFlow } from './scenes/flow.ts';
import { paintLandscape } from './scenes/landscape.ts';
import { blockSize, pictureSize } from './size.ts';
import type { FinishName } from './styles.ts';

const FINISH: Readonly<Record<FinishName, Finish>> = { realistic, watercolor, oil, anime, pixel, sketch, minimal };

async function paintScene(plan: Plan, canvas: Canvas, pace: Pace): Promise<void> {
  if (plan.scene === 'cosmos') return paintCosmos(plan, canvas, pace);
  if (plan.scene === 'flow') return paintFlow(plan, canvas, pace);
  return paintLandscape(plan.scene, plan, canvas, pace);
}

/**
 * Draws the picture with that number (from 0) in the request.
 *
 * @throws {ProviderError} when the pace's signal is aborted.
 */
export async function drawPicture(request: ImageRequest, index: number, pace: Pace): Promise<GeneratedImage> {
  const plan = planPicture(request, index);
  const size = pictureSize(request.aspectRatio, request.quality);
  const sceneSize = plan.finish === 'pixel' ? blockSize(request.aspectRatio) : size;
  const scene = createCanvas(sceneSize.width, sceneSize.height);
  await paintScene(plan, scene, pace);
  const finished = await FINISH[plan.finish](scene, plan, pace, size);
  return { bytes: await encodePng(finished, pace), contentType: 'image/png', ...size };
}
