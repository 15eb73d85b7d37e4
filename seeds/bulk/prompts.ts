import type { Random } from './random.ts';

/** Words from which people's requests are put together. */

const SUBJECTS = [
  'a lighthouse',
  'an old fishing boat',
  'a red fox',
  'a small bookshop',
  'a glass greenhouse',
  'a mountain village',
  'a sleeping cat',
  'a steam train',
  'a market of lanterns',
  'a stone bridge',
  'a field of sunflowers',
  'a lone astronaut',
  'a wooden cabin',
  'a whale under the ice',
  'a café on a corner',
  'a knight without a horse',
] as const;

const PLACES = [
  'by the sea',
  'in a deep forest',
  'above the clouds',
  'in the old town',
  'at the edge of a desert',
  'on a quiet lake',
  'between high cliffs',
  'in a snowed-in valley',
  'on a distant planet',
  'in a walled garden',
] as const;

const LIGHTS = [
  'at dawn',
  'in the last light of the day',
  'under a full moon',
  'in heavy rain',
  'in morning fog',
  'lit by a single lamp',
  'in bright noon sun',
  'under northern lights',
] as const;

const DETAILS = [
  'wide angle',
  'soft colours',
  'very detailed',
  'muted palette',
  'seen from above',
  'shallow depth of field',
  'for a book cover',
  'as a postcard',
] as const;

const UNWANTED = [
  'text, watermark',
  'people',
  'blurry',
  'extra fingers',
  'dark corners',
  'frames and borders',
] as const;

export function promptOf(random: Random): string {
  const detail = random.chance(0.6) ? `, ${random.pick(DETAILS)}` : '';
  const prompt = `${random.pick(SUBJECTS)} ${random.pick(PLACES)} ${random.pick(LIGHTS)}${detail}`;
  return prompt[0]?.toUpperCase() + prompt.slice(1);
}

export function unwantedOf(random: Random): string {
  return random.pick(UNWANTED);
}

export const FAILURES = [
  'The prompt was refused. Change it and try again.',
  'The provider did not answer in time.',
  'The source image could not be read.',
  'The worker was lost in every attempt.',
] as const;
