import { createRandom } from './random.ts';

/** How a picture is rendered. */
export const FINISHES = ['realistic', 'watercolor', 'oil', 'anime', 'pixel', 'sketch', 'minimal'] as const;
export type FinishName = (typeof FINISHES)[number];

/** Words within a style that tell the finish; the first line that matches counts. */
const FINISH_WORDS: readonly [RegExp, FinishName][] = [
  [/pixel|8.?bit|16.?bit|retro|voxel/, 'pixel'],
  [/water.?colou?r|gouache|wash|aquarelle|pastel/, 'watercolor'],
  [/oil|impression|acrylic|painting|van.?gogh|baroque|impasto|expression/, 'oil'],
  [/sketch|pencil|line.?art|ink|drawing|charcoal|engraving|manga/, 'sketch'],
  [/anime|cartoon|comic|ghibli|illustration|cel|digital.?art|fantasy/, 'anime'],
  [/minimal|flat|vector|poster|low.?poly|simple|logo|isometric/, 'minimal'],
  [/real|photo|cinema|3d|render|natural|vivid|hdr|analog|film/, 'realistic'],
];

/** The finish of a style. A style that is not known has one too, always the same. */
export function finishOf(style: string): FinishName {
  const words = style.toLowerCase();
  const known = FINISH_WORDS.find(([pattern]) => pattern.test(words));
  return known?.[1] ?? createRandom(words).pick(FINISHES);
}
