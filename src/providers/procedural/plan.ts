import type { ImageRequest } from '../port.ts';
import { DAYLIGHT_PALETTES, mixPalette, type Palette } from './palettes.ts';
import { createRandom, type Random } from './random.ts';
import type { TreeKind } from './scenes/profile.ts';
import { type FinishName, finishOf } from './styles.ts';
import { type Feature, readWords, type SceneName } from './vocabulary.ts';

/** All that is decided about a picture before a pixel is drawn. */
export interface Plan {
  finish: FinishName;
  scene: SceneName;
  palette: Palette;
  features: ReadonlySet<Feature>;
  /** Night skies have a moon for a sun. */
  isNight: boolean;
  trees: TreeKind;
  random: Random;
}

/** Whether the style has clean edges and flat tones, as animation and games do. */
export function isDrawn(plan: Plan): boolean {
  return plan.finish === 'anime' || plan.finish === 'pixel';
}

const ANY_SCENE = ['mountains', 'mountains', 'hills', 'forest', 'dunes', 'sea', 'flow', 'cosmos'] as const;

/** What chance adds when the prompt is silent: how often each feature appears by itself. */
const BY_CHANCE: readonly [Feature, number][] = [
  ['clouds', 0.7],
  ['water', 0.3],
  ['trees', 0.5],
  ['mist', 0.5],
  ['sun', 0.75],
  ['birds', 0.3],
];

/** Everything in a request that may change the picture of that number, as one text. Quality is not in it: hd is the same picture, finer. */
function seedOf(request: ImageRequest, index: number): string {
  return JSON.stringify([
    request.type,
    request.prompt,
    request.negativePrompt ?? '',
    request.style,
    request.sourceImageUrl ?? '',
    index,
  ]);
}

/** The plan of the picture with that number (from 0) in the request. What the negative prompt names stays away. */
export function planPicture(request: ImageRequest, index: number): Plan {
  const random = createRandom(seedOf(request, index));
  const wanted = readWords(request.prompt);
  const unwanted = readWords(request.negativePrompt ?? '');
  const features = new Set(wanted.features);
  for (const [feature, probability] of BY_CHANCE) {
    if (random.chance(probability) && !(feature === 'water' && wanted.scene === 'dunes')) features.add(feature);
  }
  for (const feature of unwanted.features) features.delete(feature);

  const scene = wanted.scene ?? random.pick(ANY_SCENE);
  const byChance = random.pick(DAYLIGHT_PALETTES);
  const name = wanted.palette ?? (scene === 'dunes' ? 'desert' : scene === 'cosmos' ? 'night' : byChance);
  const isNight = name === 'night' || name === 'neon';
  if (isNight && !unwanted.features.has('stars')) features.add('stars');
  const isLeafy = name === 'spring' || name === 'autumn' || scene === 'hills';
  const trees = isLeafy && !/\b(?:pine|fir|spruce|conifer)/i.test(request.prompt) ? 'broadleaf' : 'conifer';
  return {
    finish: finishOf(request.style),
    scene,
    palette: mixPalette(name, random),
    features,
    isNight,
    trees,
    random,
  };
}
