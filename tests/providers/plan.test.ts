import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planPicture } from '@/providers/procedural/plan.ts';
import { FINISHES, finishOf } from '@/providers/procedural/styles.ts';
import { type Feature, readWords } from '@/providers/procedural/vocabulary.ts';
import { request } from './imagesApi.ts';

describe('the words of a prompt', () => {
  it.each([
    ['A beautiful sunset', { palette: 'sunset' }],
    ['OCEAN waves', { scene: 'sea' }],
    ['Mountains, snow', { scene: 'mountains', palette: 'winter' }],
    ['tall pine trees', { scene: 'forest' }],
    ['a galaxy far away', { scene: 'cosmos' }],
    ['cyberpunk alley', { scene: 'city', palette: 'neon' }],
    ['a portrait', { scene: undefined, palette: undefined }],
  ])('"%s" choose place and light', (text, expected) => {
    expect(readWords(text)).toMatchObject(expected);
  });

  it('that are forbidden keep their things out of the picture, whatever the prompt and chance say', () => {
    fc.assert(
      fc.property(fc.string(), (prompt) => {
        const { features } = planPicture(
          request({ prompt: `${prompt} birds over a cloudy lake`, negativePrompt: 'birds, clouds, lake' }),
          0,
        );
        const forbidden: Feature[] = ['birds', 'clouds', 'water'];
        expect(forbidden.filter((feature) => features.has(feature))).toEqual([]);
      }),
    );
  });
});

describe('the style', () => {
  it.each([
    ['realistic', 'realistic'],
    ['Watercolour', 'watercolor'],
    ['oil painting', 'oil'],
    ['anime', 'anime'],
    ['pixel-art', 'pixel'],
    ['pencil sketch', 'sketch'],
    ['minimalist poster', 'minimal'],
  ])('%s is rendered as %s', (style, finish) => {
    expect(finishOf(style)).toBe(finish);
  });

  it('that nobody knows is rendered in one of the known manners', () => {
    fc.assert(
      fc.property(fc.string(), (style) => {
        expect(FINISHES).toContain(finishOf(style));
      }),
    );
  });
});
